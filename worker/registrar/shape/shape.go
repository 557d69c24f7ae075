// Package shape compares JSON objects that come from outside with the fields that they should have.
//
// It tells names and kinds of fields, and never what is in one.
package shape

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Kind is a kind of JSON value.
type Kind string

// The kinds of JSON values. What is null counts as not there.
const (
	Text   Kind = "text"
	Number Kind = "a number"
	Truth  Kind = "true or false"
	List   Kind = "a list"
	Object Kind = "an object"
)

// Field is a field that an object may have. Capitals in its name do not matter, as they do not to whoever decodes it.
type Field struct {
	Name  string
	Kinds []Kind // that are read; none: any
	// Needed says that an object is worth nothing without it, Wanted that it should be there.
	Needed, Wanted bool
	// Or names another field which, where that is there, makes this one neither needed nor wanted.
	Or string
}

// Problem says how a field differs.
type Problem string

// How fields differ.
const (
	Missing Problem = "missing"
	Wrong   Problem = "wrong"   // of another kind
	Unknown Problem = "unknown" // nobody reads it
)

// Difference is one field in which an object is not as it should be.
type Difference struct {
	Field   string
	Problem Problem
	// Grave says that the object cannot be used for it.
	Grave bool
	Is    Kind   // what it is: of Wrong and Unknown; "": null
	Want  []Kind // what it should be: of Missing and Wrong
	Like  string // of Missing, the name of an unknown field that may be the same one; "" for none
}

// Compare says in which fields an object differs; first those that should be there, then those that nobody reads, by name. What is no
// object differs in nothing: whoever decodes it says so.
func Compare(fields []Field, object []byte) []Difference {
	var has map[string]json.RawMessage
	if json.Unmarshal(object, &has) != nil {
		return nil
	}
	values := map[string]Kind{}
	var unread []Difference
	for name, value := range has {
		known := slices.IndexFunc(fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
		if known < 0 {
			unread = append(unread, Difference{Field: name, Problem: Unknown, Is: kindOf(value)})
		} else if kind := kindOf(value); kind != "" {
			values[fields[known].Name] = kind
		}
	}
	slices.SortFunc(unread, func(a, b Difference) int { return strings.Compare(a.Field, b.Field) })
	var found []Difference
	for _, f := range fields {
		if d, differs := f.compare(values); differs {
			d.Like = like(d, unread)
			found = append(found, d)
		}
	}
	return append(found, unread...)
}

// compare looks at one field, given the kinds of those that are there.
func (f Field) compare(values map[string]Kind) (Difference, bool) {
	kind, there := values[f.Name]
	_, other := values[f.Or]
	switch {
	case !there && (f.Needed || f.Wanted) && !other:
		return Difference{Field: f.Name, Problem: Missing, Grave: f.Needed, Want: f.Kinds}, true
	case there && len(f.Kinds) > 0 && !slices.Contains(f.Kinds, kind):
		return Difference{Field: f.Name, Problem: Wrong, Grave: true, Is: kind, Want: f.Kinds}, true
	}
	return Difference{}, false
}

// like finds among fields that nobody reads one that may be the missing one: of the same kind, and the name of one in that of the other.
func like(missing Difference, unread []Difference) string {
	if missing.Problem != Missing {
		return ""
	}
	want := bare(missing.Field)
	for _, d := range unread {
		is := bare(d.Field)
		sounds := is != "" && (strings.Contains(is, want) || strings.Contains(want, is))
		if sounds && (len(missing.Want) == 0 || slices.Contains(missing.Want, d.Is)) {
			return d.Field
		}
	}
	return ""
}

// bare is a name in small letters, and nothing but letters and digits.
func bare(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// kindOf is the kind of a JSON value, "" of null.
func kindOf(value json.RawMessage) Kind {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case '"':
		return Text
	case '{':
		return Object
	case '[':
		return List
	case 't', 'f':
		return Truth
	case 'n':
		return ""
	}
	return Number
}
