package config

import (
	"maps"
	"slices"
	"strings"
)

// guarded are the beginnings of names that hardly anything but bulkreg uses. A name that comes close to one of our
// variables with such a beginning is taken for a slip: it would change nothing, in silence.
var guarded = [...]string{"REGISTRAR_", "REGISTER_", "WHOIS_", "RECONCILE_", "UPSTREAM_", "PAYMENT_"}

// slip is how many letters a name may differ in from the one that was meant.
const slip = 2

// unknown reports variables that look like misspelt ones. Names that resemble none, which other programs may have put
// there, pass.
func (p *problems) unknown(vars map[string]string) {
	names := map[string]bool{}
	for _, f := range Fields() {
		names[f.Variable] = true
		if f.File {
			names[f.Variable+"_FILE"] = true
		}
	}
	known := slices.Sorted(maps.Keys(names))
	for _, variable := range slices.Sorted(maps.Keys(vars)) {
		if names[variable] || strings.HasPrefix(variable, accountPrefix) {
			continue // accounts have numbers in their names and are checked by them
		}
		if meant := closest(variable, known); meant != "" {
			p.add("%s is no setting: did you mean %s?", variable, meant)
		}
	}
}

// closest is the guarded name that variable differs from the least, "" if all are too far.
func closest(variable string, known []string) string {
	best, meant := slip+1, ""
	for _, name := range known {
		if !slices.ContainsFunc(guarded[:], func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		if d := distance(variable, name); d < best {
			best, meant = d, name
		}
	}
	return meant
}

// distance is how many letters must be put in, taken out or replaced to make b of a (Levenshtein). Far apart lengths
// are told early.
func distance(a, b string) int {
	if d := len(a) - len(b); d > slip || d < -slip {
		return slip + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
