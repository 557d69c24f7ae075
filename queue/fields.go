package queue

import (
	"slices"
	"strconv"
	"unicode/utf16"
)

// chunkFields and jobFields are the fields of a payload's two kinds of object. A test compares them with Chunk and Job.
func chunkFields() []string { return []string{"v", "order", "source", "account", "jobs"} }

func jobFields() []string {
	return []string{
		"id", "domain", "holder_id", "period", "nameservers", "allow_status",
		"email", "originator", "languageCode", "firstname", "lastname", "privacyConsent", "epoch",
	}
}

// checkFields checks that each object of a payload has only the fields of its kind, written exactly so and at most once, and
// that no text holds half of a surrogate pair. The payload must be JSON whose known fields fit a Chunk.
//
// encoding/json alone passes over what it does not know, takes "Domain" for "domain", lets the last of two equal fields win,
// and makes one and the same character of all that is none.
func checkFields(payload []byte) error {
	c := fieldCheck{kinds: [...]fieldKind{{known: chunkFields()}, {known: jobFields()}}}
	for at := 0; at < len(payload); at++ {
		if payload[at] != '"' {
			if !c.step(payload[at]) {
				return invalid("an object stands where none may stand")
			}
			continue
		}
		end, whole := endOfText(payload, at)
		if !whole {
			return invalid("a text holds half of a surrogate pair")
		}
		if c.wanted {
			if err := c.field(payload[at+1 : end]); err != nil {
				return err
			}
		}
		at = end
	}
	return nil
}

// fieldCheck is where checkFields stands in a payload.
type fieldCheck struct {
	kinds   [2]fieldKind // of the outer object, and of the objects in it
	objects int          // how many are open
	open    []bool       // of the objects and lists around here: it is an object
	wanted  bool         // the next text is the name of a field
}

type fieldKind struct {
	known []string
	seen  []string // in the object that is open
}

// step passes over what is no text. It reports false where the forms of a payload have no object.
func (c *fieldCheck) step(char byte) bool {
	switch char {
	case '{':
		if c.objects == len(c.kinds) {
			return false
		}
		c.kinds[c.objects].seen = c.kinds[c.objects].seen[:0]
		c.objects, c.open, c.wanted = c.objects+1, append(c.open, true), true
	case '[':
		c.open = append(c.open, false)
	case '}':
		c.objects, c.open, c.wanted = c.objects-1, c.open[:len(c.open)-1], false
	case ']':
		c.open = c.open[:len(c.open)-1]
	case ',':
		c.wanted = c.open[len(c.open)-1]
	}
	return true
}

// field takes note of a field of the object at hand, by its name as it is written.
func (c *fieldCheck) field(written []byte) error {
	c.wanted = false
	kind := &c.kinds[c.objects-1]
	at := slices.IndexFunc(kind.known, func(known string) bool { return known == string(written) })
	if at < 0 {
		return invalid("unknown field%s", shownField(written))
	}
	name := kind.known[at]
	if slices.Contains(kind.seen, name) {
		return invalid("field %s is given twice", name)
	}
	kind.seen = append(kind.seen, name)
	return nil
}

// shownField gives the name of a field where it is a name, and not perhaps somebody's data.
func shownField(written []byte) string {
	const longest = 32
	for _, char := range written {
		if letter := char|0x20 >= 'a' && char|0x20 <= 'z'; !letter && (char < '0' || char > '9') && char != '_' && char != '-' {
			return ""
		}
	}
	if len(written) == 0 || len(written) > longest {
		return ""
	}
	return " " + strconv.Quote(string(written))
}

// endOfText finds the closing quote of the text that begins at a quote. It reports false where a surrogate in the text lacks
// its other half.
func endOfText(payload []byte, at int) (end int, whole bool) {
	whole = true
	for at++; payload[at] != '"'; at++ {
		if payload[at] != '\\' {
			continue
		}
		at++
		if payload[at] != 'u' {
			continue
		}
		unit := hexRune(payload[at+1 : at+5])
		at += 4
		if !utf16.IsSurrogate(unit) {
			continue
		}
		if next := payload[at+1:]; len(next) > 6 && next[0] == '\\' && next[1] == 'u' && utf16.DecodeRune(unit, hexRune(next[2:6])) != '\uFFFD' {
			at += 6
		} else {
			whole = false
		}
	}
	return at, whole
}

// hexRune reads four hexadecimal digits.
func hexRune(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits), 16, 16) // JSON that was read has no others; all else is no surrogate
	return rune(n)
}
