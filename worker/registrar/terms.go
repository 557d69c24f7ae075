package registrar

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// terms find what the caller knows to be personal, however it is spelled. They are a tree of folded spellings, as a map from
// a place in it and the letter that follows to the next place. The root is 0. At nowhere, next is the widest gap in a term.
type terms map[step]place

const nowhere = -1

type step struct {
	from int32
	r    rune
}

type place struct {
	next   int32
	found  *finding // of the term that ends here, nil for none
	domain *finding // of the domain that ends here, which stays readable; nil for none
}

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
}

const (
	// shortestTerm is how many letters and digits tell anybody apart.
	shortestTerm = 2
	// Shorter terms than these may have no signs, or no spaces, put into them; numbers need as many digits as a telephone.
	shortestDotted, shortestApart, shortestNumber = 4, 6, 7
	// longestTerm bounds how far a text is followed from one place. It is more than any detail has.
	longestTerm = 300
	// usualGap is how many runes may stand between two letters of a term, such as " [" and ") (", unless one has more itself.
	usualGap = 4
)

// newTerms leaves out terms that are too short to tell anybody apart, and whose hiding would blot out ordinary text.
func newTerms(personal []string) terms {
	t, seen := terms{}, map[string]bool{}
	for _, term := range personal {
		if seen[term] {
			continue
		}
		seen[term] = true
		term, _ = readable(norm.NFC.String(term))
		folded := spell(term)
		if strings.Trim(folded, string(hole)) == "" || utf8.RuneCountInString(folded) < shortestTerm {
			continue
		}
		if widest := widestGap(term); widest > t[step{from: nowhere}].next {
			t[step{from: nowhere}] = place{next: widest}
		}
		for _, spelling := range spellings(term, folded) {
			t.add(spelling, newFinding(term, spelling))
		}
	}
	if len(t) == 0 {
		return nil
	}
	return t
}

// widestGap is how many runes stand between two letters of a term at most.
func widestGap(term string) int32 {
	widest, gap, begun := int32(0), int32(0), false
	for _, r := range term {
		switch kindOf(r) {
		case separating:
			gap++
		case telling:
			if begun {
				widest = max(widest, gap)
			}
			gap, begun = 0, true
		}
	}
	return widest
}

// sparing makes names of domains stay readable where nothing but a term lies in them.
func (t terms) sparing(domains []string) terms {
	if len(t) == 0 {
		return t
	}
	for _, domain := range domains {
		if folded := spell(domain); folded != "" {
			t.add(folded, &finding{size: utf8.RuneCountInString(folded), domain: true})
		}
	}
	return t
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

func (t terms) add(spelling string, f *finding) {
	at, n := int32(0), 0
	for _, r := range spelling {
		if n++; n > longestTerm {
			break
		}
		s := step{at, r}
		p, known := t[s]
		if !known {
			p.next = int32(len(t) + 1)
			t[s] = p
		}
		if at = p.next; n < min(f.size, longestTerm) {
			continue
		}
		if f.domain {
			p.domain = f
		} else {
			p.found = p.found.or(f)
		}
		t[s] = p
	}
}

// or finds what either of two terms with the same spelling would.
func (f *finding) or(other *finding) *finding {
	if f == nil {
		return other
	}
	both := *f
	both.joined, both.strict, both.apart = f.joined && other.joined, f.strict && other.strict, f.apart || other.apart
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

// hide replaces personal terms wherever they stand as words of their own: in upper or lower case, with or without
// their spaces and marks, and escaped in the ways in which secrets are looked for.
func (t terms) hide(text string) string {
	if len(t) == 0 {
		return text
	}
	mask := t.find(text, encodings)
	return redact(text, mask, "[personal]")
}

// find marks what is personal in a text, also in parts of it that are encoded up to so many times.
func (t terms) find(text string, encoded int) []bool {
	mask := make([]bool, len(text))
	v := newView(text)
	for range escapeLevels {
		t.mark(mask, v)
		if encoded > 0 {
			tells := func(text string) bool { return slices.Contains(t.find(text, encoded-1), true) }
			v.markEncoded(mask, tells)
			v.markBytes(mask, tells)
		}
		next, changed := v.unescape()
		if !changed {
			break
		}
		v = next
	}
	return mask
}

// mark marks what is personal in one reading of a text. From each beginning of a word it goes down the tree once, so that
// its time grows with the text, and not with the number of terms.
func (t terms) mark(mask []bool, v view) {
	signs := v.fold()
	spared := make([]int, len(signs)) // 1 and more: the domain of that number
	type hit struct {
		from, to int
		f        *finding
	}
	var hits []hit
	domains := 0
	for i := range signs {
		if !beginsWord(signs, i, false) {
			continue
		}
		to, f := t.follow(v, signs, i)
		switch {
		case f == nil:
		case f.domain:
			domains++
			for j := i; j < to; j++ {
				spared[j] = domains
			}
		default:
			hits = append(hits, hit{i, to, f})
		}
	}
	for _, h := range hits {
		if n := spared[h.from]; n > 0 && n == spared[h.to-1] {
			continue
		}
		from, to := h.f.around(v, signs[h.from].from, signs[h.to-1].to)
		for j := v.at[from]; j < v.at[to]; j++ {
			mask[j] = true
		}
	}
}

// follow returns the end of the longest term that begins with sign i.
func (t terms) follow(v view, signs []sign, i int) (end int, longest *finding) {
	at := int32(0)
	gaps := gaps{most: max(usualGap, int(t[step{from: nowhere}].next))}
	for j := i; j < len(signs); j++ {
		if j > i && !gaps.add(v, signs[j-1], signs[j]) {
			break
		}
		p, ok := t[step{at, signs[j].r}]
		if !ok && j > i && signs[j].r == hole { // it stands for what is no letter
			gaps.any, gaps.other = true, true
			continue
		}
		if !ok {
			break
		}
		if p.found != nil && p.found.holds(v, signs, i, j+1, gaps) {
			end, longest = j+1, p.found
		}
		if p.domain != nil && p.domain.holds(v, signs, i, j+1, gaps) {
			end, longest = j+1, p.domain
		}
		at = p.next
	}
	return end, longest
}

// gaps are what stands between the letters of a possible term.
type gaps struct {
	any, spaced bool
	other       bool // not only dots and hyphens, one at a time
	most        int  // runes of one
}

func (g *gaps) add(v view, before, s sign) bool {
	if s.gap == 0 {
		return true
	}
	g.any, g.spaced = true, g.spaced || s.spaced
	g.other = g.other || s.gap > 1 || v.text[before.to] != '.' && v.text[before.to] != '-'
	return s.gap <= g.most
}

// holds reports whether signs[i:j] are written as they must be to be the term.
func (f *finding) holds(v view, signs []sign, i, j int, g gaps) bool {
	switch {
	case f.domain:
		return !g.other && beginsWord(signs, i, true) && endsWord(signs, j, true)
	case g.any && f.joined, g.spaced && !f.apart:
		return false
	case !beginsWord(signs, i, f.strict) || f.size <= longestTerm && !endsWord(signs, j, f.strict):
		return false
	case f.strict && partOfName(v, signs, i, j):
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
