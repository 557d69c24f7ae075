package config

import (
	"reflect"
	"strings"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// Field describes one setting, for people.
type Field struct {
	Variable string `json:"variable"`
	Default  string `json:"default"` // "" for none
	Unit     string `json:"unit"`
	Reason   string `json:"reason"`
	Min      string `json:"min,omitempty"`
	Max      string `json:"max,omitempty"`
	Secret   bool   `json:"secret"` // its value is never shown
	File     bool   `json:"file"`   // also read from the file that Variable_FILE names

	name    string // in the struct
	use     Use
	oneof   []string
	example string
	// fraction says that it need not be a whole number.
	fraction bool
}

// Fields lists every setting in the order of the struct, and then those of further accounts, with <n> for their number.
func Fields() []Field {
	fields := fieldsOf(reflect.TypeFor[Config]())
	for _, f := range fieldsOf(reflect.TypeFor[accountSettings]()) {
		f.Variable = accountPrefix + "<n>_" + f.Variable
		fields = append(fields, f)
	}
	return fields
}

func fieldsOf(t reflect.Type) []Field {
	var fields []Field
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag
		variable, ok := tag.Lookup("env")
		if !ok || variable == "-" {
			continue
		}
		f := Field{
			Variable: variable, Default: tag.Get("envDefault"), Unit: tag.Get("unit"), Reason: tag.Get("reason"),
			Min: tag.Get("min"), Max: tag.Get("max"),
			Secret: field.Type == reflect.TypeFor[registrar.Secret](), File: tag.Get("file") == "true",
			use: useOf(tag.Get("use")), name: field.Name, example: tag.Get("example"), fraction: field.Type.Kind() == reflect.Float64,
		}
		if words, ok := tag.Lookup("oneof"); ok {
			f.oneof = strings.Split(words, ",")
		}
		if f.example == "" {
			f.example = f.Default
		}
		fields = append(fields, f)
	}
	return fields
}

// wanted says what to write instead of a bad value.
func (f Field) wanted() string {
	var b strings.Builder
	b.WriteString("give ")
	switch {
	case len(f.oneof) > 0:
		b.WriteString("one of " + strings.Join(f.oneof, ", "))
		return b.String()
	case f.Unit == "duration":
		b.WriteString("a number with its unit, from " + f.Min + " to " + f.Max)
	case f.fraction:
		b.WriteString("a number of " + f.Unit + ", from " + f.Min + " to " + f.Max)
	case f.Min != "":
		b.WriteString("a whole number of " + f.Unit + ", from " + f.Min + " to " + f.Max)
	default:
		b.WriteString("a " + f.Unit)
	}
	b.WriteString(", such as " + f.example)
	return b.String()
}
