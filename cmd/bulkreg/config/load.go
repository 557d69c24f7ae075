package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"
)

// Error is everything that is wrong with an environment.
type Error struct {
	Problems []string // one line each
}

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "a setting is wrong: " + e.Problems[0]
	}
	return fmt.Sprintf("%d settings are wrong:\n  %s", len(e.Problems), strings.Join(e.Problems, "\n  "))
}

// problem is something wrong with a variable.
type problem struct{ variable, text string }

// problems collects what is wrong.
type problems []problem

// add notes what is wrong with the variable that the text begins with.
func (p *problems) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.addOf(VariableOf(text), text)
}

func (p *problems) addOf(variable, text string) { *p = append(*p, problem{variable, text}) }

// err is what concerns a use.
func (p problems) err(use Use) error {
	var texts []string
	for _, one := range p {
		if use == UseAll || use.concerns(one.variable) {
			texts = append(texts, one.text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return &Error{Problems: texts}
}

// Load reads the settings from an environment of the form of os.Environ and checks them. An empty variable counts as
// unset. Its error is an *Error.
func Load(environ []string) (Config, error) { return LoadFor(environ, UseAll) }

// LoadFor is Load for a command that reads some of the settings. What is wrong with others is no error, and they are not to be
// relied on.
func LoadFor(environ []string, use Use) (Config, error) {
	var (
		c     Config
		wrong problems
	)
	vars := variables(environ)
	c.strays = wrong.unknown(vars)
	bad := wrong.parse(&c, vars, "")
	c.AccessTokenFile = vars["PMG_ACCESS_TOKEN_FILE"]
	c.Further = wrong.accounts(vars, c)
	wrong.addresses(c)
	wrong.relations(c, func(variables ...string) bool { // what could not be read cannot be compared
		return !slices.ContainsFunc(variables, func(v string) bool { return bad[v] })
	})
	return c, wrong.err(use)
}

func variables(environ []string) map[string]string {
	vars := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && value != "" {
			vars[name] = value
		}
	}
	return vars
}

// parse fills a struct from variables whose names begin with prefix, and gives those whose values are of no use.
func (p *problems) parse(into any, vars map[string]string, prefix string) (useless map[string]bool) {
	fields := fieldsOf(reflect.TypeOf(into).Elem())
	vars = maps.Clone(vars)
	for _, f := range fields {
		if f.File {
			p.readFile(vars, prefix+f.Variable)
		}
	}
	bad := map[string]bool{}
	var all env.AggregateError
	err := env.ParseWithOptions(into, env.Options{Environment: vars, Prefix: prefix})
	if errors.As(err, &all) {
		for _, err := range all.Errors {
			var of env.ParseError
			if !errors.As(err, &of) {
				p.add("%v", err)
				continue
			}
			bad[of.Name] = true
		}
	}
	useless = map[string]bool{}
	for _, f := range fields {
		variable := prefix + f.Variable
		value := reflect.ValueOf(into).Elem().FieldByName(f.name)
		switch {
		case bad[f.name] && f.Unit == "duration":
			p.add("%s=%s is not a duration: %s", variable, shown(vars[variable]), f.wanted())
		case bad[f.name] && value.Kind() == reflect.Float64:
			p.add("%s=%s is not a number: %s", variable, shown(vars[variable]), f.wanted())
		case bad[f.name]:
			p.add("%s=%s is not a whole number: %s", variable, shown(vars[variable]), f.wanted())
		case !f.admits(value) && len(f.oneof) > 0:
			p.add("%s=%s is not known: %s", variable, shown(vars[variable]), f.wanted())
		case !f.admits(value):
			p.add("%s=%s is out of range: %s", variable, shown(vars[variable]), f.wanted())
		default:
			continue
		}
		useless[variable] = true
	}
	return useless
}

// admits says whether a value is within the field's bounds.
func (f Field) admits(v reflect.Value) bool {
	switch v := v.Interface().(type) {
	case int:
		return f.Min == "" || v >= mustInt(f.Min) && v <= mustInt(f.Max)
	case float64: // NaN compares with nothing, and so is refused
		return f.Min == "" || v >= float64(mustInt(f.Min)) && v <= float64(mustInt(f.Max))
	case time.Duration:
		return f.Min == "" || v >= mustDuration(f.Min) && v <= mustDuration(f.Max)
	case string:
		return len(f.oneof) == 0 || v == "" || slices.Contains(f.oneof, v)
	}
	return true
}

// maxFile bounds a file with a secret in it, in bytes.
const maxFile = 64 << 10

// readFile sets a variable from the file that its twin names.
func (p *problems) readFile(vars map[string]string, variable string) {
	path, ok := vars[variable+"_FILE"]
	if !ok {
		return
	}
	if _, both := vars[variable]; both {
		p.add("%s and %s_FILE are both set: keep one of them", variable, variable)
		return
	}
	value, err := readValue(path)
	if err != nil {
		p.add("%s_FILE: %v", variable, err)
		return
	}
	if value == "" {
		p.add("%s_FILE: %s is empty: put the value of %s into it", variable, path, variable)
		return
	}
	vars[variable] = value
}

// readValue reads the value of a setting from a file: without the line's end, and without the byte order mark that editors put before
// it.
func readValue(path string) (string, error) {
	data, err := ownfile.Read(path, maxFile)
	if err != nil {
		return "", err
	}
	content := string(data)
	if strings.HasPrefix(content, "\xff\xfe") || strings.HasPrefix(content, "\xfe\xff") {
		return "", fmt.Errorf("%s is in UTF-16: save it as UTF-8", path)
	}
	return strings.TrimRight(strings.TrimPrefix(content, "\uFEFF"), "\r\n"), nil
}

// shown quotes a value, or the beginning of one that is long.
func shown(value string) string {
	const most = 60
	if len(value) > most {
		value = value[:most] + "..."
	}
	return fmt.Sprintf("%q", value)
}
