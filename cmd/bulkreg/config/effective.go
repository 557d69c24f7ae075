package config

import (
	"maps"
	"slices"
	"strings"
)

// Where a setting comes from.
const (
	FromDefault     = "default"
	FromEnvironment = "environment"
	FromFile        = "file" // and then its path
)

// Hidden stands for a value that is not shown.
const Hidden = "(hidden)"

// Effective is a setting with the value that counts.
type Effective struct {
	Field
	Value string `json:"value"` // as it was written; Hidden for a secret, "" for none
	From  string `json:"from"`  // FromDefault, FromEnvironment, or FromFile with the path; "" where it has no value
}

// EffectiveOf lists every setting with its value in an environment, and behind those with <n> the ones of its further accounts. What is wrong with them is not its business; what comes from a file that cannot be
// read has no value.
func EffectiveOf(environ []string) []Effective {
	vars := variables(environ)
	var list []Effective
	for _, f := range Fields() {
		named := []Field{f}
		if _, rest, further := strings.Cut(f.Variable, "<n>_"); further {
			for _, variable := range slices.Sorted(maps.Keys(vars)) {
				match := accountVariable.FindStringSubmatch(variable)
				if match == nil || strings.TrimSuffix(match[2], "_FILE") != rest {
					continue
				}
				one := f
				one.Variable = accountPrefix + match[1] + "_" + rest
				if !slices.ContainsFunc(named, func(other Field) bool { return other.Variable == one.Variable }) {
					named = append(named, one)
				}
			}
		}
		for _, one := range named {
			list = append(list, effective(one, vars))
		}
	}
	return list
}

func effective(f Field, vars map[string]string) Effective {
	e := Effective{Field: f, Value: f.Default}
	if f.Default != "" {
		e.From = FromDefault
	}
	if value, set := vars[f.Variable]; set {
		e.Value, e.From = value, FromEnvironment
	} else if path, set := vars[f.Variable+"_FILE"]; set && f.File {
		e.From = FromFile + " " + path
		e.Value = contentOf(f.Variable, path)
	}
	if e.Value != "" && (f.Secret || strings.Contains(e.Value, "@")) { // an address may have a password in it
		e.Value = Hidden
	}
	return e
}

// contentOf is the value in a file, in one line; "" where it cannot be used.
func contentOf(variable, path string) string {
	vars := map[string]string{variable + "_FILE": path}
	var wrong problems
	wrong.readFile(vars, variable)
	return strings.Join(strings.Fields(vars[variable]), " ")
}
