package registrar

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Examination is what one WHOIS check showed of the registrar: what it said, and how its replies compare with the contract.
type Examination struct {
	Token  Comparison // of the reply to the authentication request
	Check  Comparison // of the reply to the check
	Checks []Check
}

// Comparison is a reply beside the contract, by the names of its fields. It holds no value of any.
type Comparison struct {
	Done    bool     // there was a reply to compare
	Fits    []string // are there as the contract has them
	Missing []string // are required, and not there
	Odd     []string // are of another type, with both
	Unknown []string // are there, and read by nobody
}

// wireField is a field of a reply as the contract, or a guess, has it. See the shapes beside the types that read them.
type wireField struct {
	name     string
	types    string // of JSON, with bars between them
	required bool
	instead  string // a required field may be missing where this one is there
}

// Examine gets a new token and asks about one domain, as a worker asks about many.
func (c *Client) Examine(ctx context.Context, domain string) (Examination, error) {
	var e Examination
	look := *c
	look.tokens = newTokens(c.clock, c.timeout, func(ctx context.Context) (Secret, time.Duration, error) {
		return c.askToken(ctx, func(body []byte) { e.Token.of(c, body, "", tokenShape()) })
	})
	reply, err := look.checkBulk(ctx, []string{domain}, nil, func(body []byte) ([]Check, error) {
		e.Check.ofList(c, body, checksShape(), checkShape())
		return decodeChecks(body)
	})
	look.tokens.close() // whatever it still does to e is done
	e.Checks = reply.Checks
	return e, err
}

// of compares an object.
func (p *Comparison) of(c *Client, body []byte, prefix string, shape []wireField) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if decodeObject(body, &fields) != nil {
		return nil
	}
	p.Done = true
	found := map[string]string{}
	for name, value := range fields {
		i := slices.IndexFunc(shape, func(f wireField) bool { return strings.EqualFold(f.name, name) })
		if i < 0 {
			note(&p.Unknown, prefix+c.plainName(name))
			continue
		}
		found[shape[i].name] = typeOf(value)
	}
	for _, f := range shape {
		is := found[f.name]
		switch {
		case is == "" || is == "null":
			if f.required && (f.instead == "" || found[f.instead] == "" || found[f.instead] == "null") {
				note(&p.Missing, prefix+f.name)
			}
		case !slices.Contains(strings.Split(f.types, "|"), is):
			note(&p.Odd, prefix+f.name+" ("+is+", and not "+strings.ReplaceAll(f.types, "|", " or ")+")")
		default:
			note(&p.Fits, prefix+f.name)
		}
	}
	slices.Sort(p.Unknown)
	return fields
}

// ofList compares an object with a list of objects in it.
func (p *Comparison) ofList(c *Client, body []byte, whole, item []wireField) {
	fields := p.of(c, body, "", whole)
	for name, value := range fields {
		var items []json.RawMessage
		if !strings.EqualFold(name, whole[0].name) || json.Unmarshal(value, &items) != nil {
			continue
		}
		for _, i := range items {
			if typeOf(i) != "object" {
				note(&p.Odd, whole[0].name+"[] ("+typeOf(i)+", and not object)")
				continue
			}
			p.of(c, i, whole[0].name+"[].", item)
		}
		if len(items) == 0 {
			note(&p.Missing, whole[0].name+"[]")
		}
	}
}

// mostNames bounds how many names are kept of a kind: an upstream may send any number.
const mostNames = 20

func note(names *[]string, name string) {
	if len(*names) < mostNames && !slices.Contains(*names, name) {
		*names = append(*names, name)
	}
}

// namePattern is what names of fields look like. Somebody's address is none.
var namePattern = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$.-]{0,39}$`)

// plainName is a name that the upstream chose. It is not shown where it may be a value.
func (c *Client) plainName(name string) string {
	if !namePattern.MatchString(name) {
		return "one whose name is no plain word"
	}
	return cmp.Or(c.scrub.clean(name, nil), "one whose name is hidden")
}

// typeOf is the type of a JSON value; "" for none.
func typeOf(value json.RawMessage) string {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case '{':
		return "object"
	case '[':
		return "list"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
