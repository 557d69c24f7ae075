package registrar

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// terms find what the caller knows to be personal, however it is spelled. They are a tree of folded spellings, as a map from
// a place in it and the letter that follows to the next place. The root is 0. At nowhere stands what is so of all of them.
type terms map[step]place

const nowhere = -1

// What is so of all terms, as the letter of a step from nowhere.
const (
	gapOfTerms   rune = iota // next is the widest gap in a term
	strangeWords             // words that no upstream writes by itself are hidden, too
	unknownWords             // and so are those that are not ordinary
)

func (t terms) set(r rune, next int32) { t[step{nowhere, r}] = place{next: next} }

func (t terms) has(r rune) bool {
	_, ok := t[step{nowhere, r}]
	return ok
}

type step struct {
	from int32
	r    rune
}

type place struct {
	next   int32
	found  *finding // of the term that ends here, nil for none
	domain *finding // of the domain that ends here, which stays readable; nil for none
}

const (
	// shortestTerm is how many letters and digits tell anybody apart.
	shortestTerm = 2
	// Shorter terms than these may have no signs, or no spaces, put into them; numbers need as many digits as a telephone.
	shortestDotted, shortestApart, shortestNumber = 4, 6, 7
	// longestTerm bounds how far a text is followed from one place. It is more than any detail has.
	longestTerm = 300
	// usualGap is how many runes may stand between two letters of a term, such as ") (" and \" .  \", unless one has more itself.
	usualGap = 12
)

// newTerms leaves out terms that are too short to tell anybody apart, and whose hiding would blot out ordinary text.
func newTerms(personal []string) terms {
	t, seen, cut := terms{}, map[string]bool{}, &finding{cut: true}
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
		if widest := widestGap(term); widest > t[step{nowhere, gapOfTerms}].next {
			t.set(gapOfTerms, widest)
		}
		t.addSpellings(term, folded, cut)
		t.addCode(term)
	}
	if len(t) == 0 {
		return nil
	}
	return t
}

func (t terms) addSpellings(term, folded string, cut *finding) {
	word := mayBeCut(term)
	for _, spelling := range spellings(term, folded) {
		t.add(spelling, newFinding(term, spelling))
		if word {
			t.addCut(spelling, shortestCut, cut)
		}
	}
	for _, spelling := range disguises(term, folded) {
		f := newFinding(term, spelling)
		f.head, f.tail = "", ""
		t.add(spelling, f)
		if word {
			t.addCut(spelling, shortestRest, cut)
		}
	}
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

// sparing makes names of domains stay readable where nothing but a term lies in them, and hides strange words elsewhere.
func (t terms) sparing(domains []string) terms {
	if t == nil {
		t = terms{}
	}
	t.set(strangeWords, 0)
	for _, domain := range domains {
		if folded := spell(domain); folded != "" {
			t.add(folded, &finding{size: utf8.RuneCountInString(folded), domain: true})
		}
	}
	return t
}

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
	var own []bool                                   // where the call's domains stand; nil: strange words are left alone
	if t.has(strangeWords) && encoded == encodings { // what is decoded by chance says nothing
		own = make([]bool, len(text))
	}
	for range escapeLevels {
		t.mark(mask, v, own)
		if bare, tags := v.untagged(); len(tags) > 0 {
			inside := make([]bool, len(text))
			t.mark(inside, bare, own)
			addInside(mask, inside, tags)
		}
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
func (t terms) mark(mask []bool, v view, own []bool) {
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
	if own != nil {
		for i, s := range signs {
			if spared[i] > 0 {
				own[s.start] = true
			}
		}
		v.markStrange(mask, signs, own, t.has(unknownWords))
		v.markStarred(mask, own)
		v.markSpoken(mask, signs, own)
	}
	t.markVeiled(mask, v, own)
	t.markRests(mask, v, signs, spared)
	for _, h := range hits {
		if n := spared[h.from]; n > 0 && n == spared[h.to-1] {
			continue
		}
		from, to := h.f.around(v, signs[h.from].from, signs[h.to-1].to)
		for j := v.at[from]; j < v.at[to]; j++ {
			mask[j] = true
		}
	}
	t.markAround(mask, v, signs, spared)
}

// follow returns the end of the longest term that begins with sign i.
func (t terms) follow(v view, signs []sign, i int) (end int, longest *finding) {
	at := int32(0)
	gaps := gaps{most: max(usualGap, int(t[step{nowhere, gapOfTerms}].next))}
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
		if p.found != nil {
			if to := p.found.end(v, signs, i, j+1, gaps); to > 0 {
				end, longest = to, p.found
			}
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
	other       bool // not only dots, and one hyphen or two
	most        int  // runes of one
}

func (g *gaps) add(v view, before, s sign) bool {
	if s.gap == 0 {
		return true
	}
	g.any, g.spaced = true, g.spaced || s.spaced
	between := string(v.text[before.to:s.from])
	g.other = g.other || between != "." && between != "-" && between != "--" // as in xn--
	return s.gap <= g.most
}
