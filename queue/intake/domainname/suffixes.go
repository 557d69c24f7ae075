package domainname

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Setting is the name of the setting that Suffixes are read from, for errors.
const Setting = "EXTRA_SUFFIXES"

// threeLabels is the registry that sells names of three labels under names that are no public suffixes: jan.jansen.name.
const threeLabels = "name"

// Suffixes are those under which names can be registered besides the ICANN public suffixes, because somebody sells names there
// as a registry does: co.nl, uk.com. The zero Suffixes are none. They are not changed once they are made.
type Suffixes struct {
	exact map[string]bool
	any   map[string]bool // nl for *.nl: each name of one label more is a suffix, and can be registered itself
}

// maxSuffixes bounds a list of suffixes.
const maxSuffixes = 10_000

// ParseSuffixes reads a list, separated by commas, spaces or line ends, in which # begins a comment that its line ends. A
// suffix may begin with a dot, or with *. for all names with one label more.
func ParseSuffixes(list string) (Suffixes, error) {
	s := Suffixes{exact: map[string]bool{}, any: map[string]bool{}}
	for line := range strings.Lines(strings.TrimPrefix(list, "\uFEFF")) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' }) {
			if err := s.add(word); err != nil {
				return Suffixes{}, err
			}
		}
	}
	return s, nil
}

func (s Suffixes) add(word string) error {
	if len(s.exact)+len(s.any) == maxSuffixes {
		return fmt.Errorf("there are more than %d suffixes", maxSuffixes)
	}
	bare, below := strings.CutPrefix(word, "*.")
	name, e := normalise(strings.TrimPrefix(bare, "."))
	switch {
	case e != nil:
		e.Raw = safeRaw(word)
		return e
	case strings.Trim(name.ASCII[strings.LastIndexByte(name.ASCII, '.')+1:], "0123456789") == "":
		return &Error{Raw: safeRaw(word), Reason: ReasonIPAddress, Text: "ends in a number as an IP address does: give a suffix such as co.nl"}
	case name.ASCII == "onion", name.ASCII == "arpa", strings.HasSuffix(name.ASCII, ".arpa"), strings.HasSuffix(name.ASCII, ".onion"):
		return &Error{Raw: safeRaw(word), Reason: ReasonUnknownTLD, Text: "is no suffix under which anybody can register"}
	case below:
		s.any[name.ASCII] = true
	default:
		s.exact[name.ASCII] = true
	}
	return nil
}

// Empty reports whether there are none.
func (s Suffixes) Empty() bool { return len(s.exact)+len(s.any) == 0 }

// String lists them in their ASCII form, sorted.
func (s Suffixes) String() string {
	all := slices.Collect(maps.Keys(s.exact))
	for name := range s.any {
		all = append(all, "*."+name)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// of is the longest of them that a name ends in. What a star stands for is a name, too: jansen.name under *.name has none.
func (s Suffixes) of(ascii string) (string, bool) {
	if s.Empty() {
		return "", false
	}
	for rest := ascii; ; {
		if s.exact[rest] {
			return rest, true
		}
		_, above, found := strings.Cut(rest, ".")
		if !found {
			return "", false
		}
		if s.any[above] && len(rest) < len(ascii) {
			return rest, true
		}
		rest = above
	}
}
