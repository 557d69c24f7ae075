package registrar

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// finding is what has to be so in a text for a spelling in it to count.
type finding struct {
	size   int      // letters and digits of it
	joined bool     // only without anything between its letters
	strict bool     // only as a word of its own: behind a gap and before one
	apart  bool     // also with spaces between them
	exact  []string // if not empty, only written as one of these: it is an ordinary word, too
	head   string   // signs of the term before its first letter,
	tail   string   // and after the last
	domain bool     // it is the name of a domain, and no term
	code   bool     // it is the digits of a postal code, which count beside a word that says so
	cut    bool     // it is the beginning of a term, which counts where nothing but that is a word
	inside bool     // it is a long name, which also counts in the middle of a word
}

func newFinding(term, spelling string) *finding {
	inner := strings.TrimFunc(term, isSign)
	f := &finding{size: utf8.RuneCountInString(spelling)}
	at := strings.Index(term, inner)
	f.head, f.tail = term[:at], term[at+len(inner):]
	parted := strings.ContainsFunc(inner, isSign)
	number := strings.Trim(spelling, "0123456789") == ""
	f.strict = f.size < shortestDotted || number && f.size < shortestNumber
	f.joined = f.strict && !parted
	f.apart = parted || f.size >= shortestApart
	if isOrdinary(spelling) {
		f.joined, f.strict, f.exact = !parted, true, []string{inner}
	}
	return f
}

func isSign(r rune) bool { return kindOf(r) == separating }

// or finds what either of two terms with the same spelling would.
func (f *finding) or(other *finding) *finding {
	if f == nil || f.cut {
		return other
	}
	both := *f
	both.joined, both.strict, both.apart = f.joined && other.joined, f.strict && other.strict, f.apart || other.apart
	both.code, both.inside = f.code && other.code, f.inside || other.inside
	if f.exact = nil; len(both.exact) > 0 && len(other.exact) > 0 {
		both.exact = append(slices.Clone(both.exact), other.exact...)
	} else {
		both.exact = nil
	}
	if len(other.head)+len(other.tail) > len(f.head)+len(f.tail) {
		both.head, both.tail = other.head, other.tail
	}
	return &both
}

// end is where the term ends that signs[i:j] are, 0 where they are not written as they must be.
func (f *finding) end(v view, signs []sign, i, j int, g gaps) int {
	if f.holds(v, signs, i, j, g) {
		return j
	}
	if to := f.plural(signs, i, j); to > 0 && f.holds(v, signs[:j], i, j, g) {
		return to
	}
	return 0
}

// holds reports whether signs[i:j] are written as they must be to be the term.
func (f *finding) holds(v view, signs []sign, i, j int, g gaps) bool {
	switch {
	case f.domain:
		return !g.other && beginsWord(signs, i, true) && endsWord(signs, j, true)
	case f.cut:
		return !g.any && beginsWord(signs, i, false) && endsWord(signs, j, false) && tellsSomebody(signs[i:j])
	case g.any && f.joined, g.spaced && !f.apart:
		return false
	case !beginsWord(signs, i, f.strict) || f.size <= longestTerm && !endsWord(signs, j, f.strict):
		return false
	case f.strict && partOfName(v, signs, i, j), f.code && !besideCode(signs, i, j):
		return false
	case len(f.exact) > 0:
		return slices.Contains(f.exact, string(v.text[signs[i].from:signs[j-1].to]))
	}
	return true
}

// around takes in the signs that the term has before its first letter and after its last.
func (f *finding) around(v view, from, to int) (int, int) {
	if f.head != "" && bytes.HasSuffix(v.text[:from], []byte(f.head)) {
		from -= len(f.head)
	}
	if f.tail != "" && bytes.HasPrefix(v.text[to:], []byte(f.tail)) {
		to += len(f.tail)
	}
	return from, to
}

// beginsWord reports whether a word begins with sign i: behind a gap or, unless strict, where digits and letters meet, or a
// capital follows a small letter.
func beginsWord(signs []sign, i int, strict bool) bool {
	return i == 0 || signs[i].gap > 0 || !strict && meet(signs[i-1], signs[i])
}

func endsWord(signs []sign, j int, strict bool) bool {
	return j == len(signs) || signs[j].gap > 0 || signs[j].r == hole || !strict && meet(signs[j-1], signs[j])
}

func meet(a, b sign) bool {
	return unicode.IsDigit(a.r) != unicode.IsDigit(b.r) || a.r == hole || !a.upper && b.upper
}

// partOfName reports whether a short word is only a label of a host's name, a part of a number or of a date.
func partOfName(v view, signs []sign, i, j int) bool {
	const joins = ".,:/-"
	if i > 0 && signs[i].gap == 1 && strings.IndexByte(joins, v.text[signs[i].from-1]) >= 0 && number(signs[i-1], signs[i], v.text[signs[i].from-1]) {
		return true
	}
	return j < len(signs) && signs[j].gap == 1 && strings.IndexByte(joins, v.text[signs[j-1].to]) >= 0 && number(signs[j-1], signs[j], v.text[signs[j-1].to])
}

// number reports that a sign between two others makes a number or a host's name of them.
func number(a, b sign, between byte) bool {
	if between == '.' {
		return true
	}
	return unicode.IsDigit(a.r) && unicode.IsDigit(b.r)
}
