package registrar

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A name is also given away by a word that lacks its end or its beginning, and by one that has an s more.
const (
	// shortestCut is how many of the first letters are hidden, and shortestRest how many of the last ones.
	shortestCut, shortestRest = 5, 6
	// shortestPlural is how many letters a term has at least that is hidden with an s behind it.
	shortestPlural = 5
	// shortestInside is how many letters a name has at least that is hidden with anything before it or behind it.
	shortestInside = 7
)

// mayBeCut reports that a term is one word: what several begin with is a word, or less than that tells.
func mayBeCut(term string) bool {
	return isWord(strings.TrimFunc(term, isSign))
}

// addCut lets the beginnings of a spelling be found, from so many letters on: in the places that it has in the tree already.
func (t terms) addCut(spelling string, shortest int, cut *finding) {
	at, n, size := int32(0), 0, utf8.RuneCountInString(spelling)
	if size <= shortestCut {
		return
	}
	for _, r := range spelling {
		n++
		s := step{at, r}
		p := t[s]
		if n >= size || n > longestTerm {
			break
		}
		if at = p.next; n >= shortest && p.found == nil {
			p.found = cut
			t[s] = p
		}
	}
}

// markRests marks the words that are the last letters of a term. The term is in the tree backwards as well.
func (t terms) markRests(mask []bool, v view, signs []sign, spared []int) {
	for from := 0; from < len(signs); {
		to := wordEnd(signs, from)
		if to-from >= shortestRest && to-from <= longestTerm && spared[from] == 0 && t.endsTerm(signs[from:to]) && tellsSomebody(signs[from:to]) {
			for i := v.at[signs[from].from]; i < v.at[signs[to-1].to]; i++ {
				mask[i] = true
			}
		}
		from = to
	}
}

func (t terms) endsTerm(word []sign) bool {
	var p place
	for i := len(word) - 1; i >= 0; i-- {
		var ok bool
		if p, ok = t[step{p.next, word[i].r}]; !ok {
			return false
		}
	}
	return p.found != nil && p.found.cut
}

// tellsSomebody reports that a word is not one that is written about anything.
func tellsSomebody(word []sign) bool {
	text := foldedOf(word)
	return !isGeneric(text) && !isExplaining(text)
}

// longNames are those of a holder that nothing else has inside, as Groenewegense has.
func (h Holder) longNames() []string {
	var all []string
	for _, name := range []string{h.FirstName, h.LastName, h.Street, h.City} {
		for _, word := range strings.FieldsFunc(name, isSign) {
			if utf8.RuneCountInString(spell(word)) >= shortestInside && !isGeneric(word) && isWord(word) {
				all = append(all, word)
			}
		}
	}
	return all
}

func isWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return isSign(r) || unicode.IsDigit(r) || r == hole })
}

// allowInside lets names be found in the middle of words.
func (t terms) allowInside(names []string) {
	const usual = 3 // the others are no words any more
	for _, name := range names {
		all := spellings(name, spell(name))
		for _, spelling := range all[:min(len(all), usual)] {
			if utf8.RuneCountInString(spelling) >= shortestInside {
				f := newFinding(name, spelling)
				f.inside = true
				t.add(spelling, f)
			}
		}
	}
}

// markAround marks the words that have a name inside, where it is not marked yet.
func (t terms) markAround(mask []bool, v view, signs []sign, spared []int) {
	for from := 0; from < len(signs); {
		to := wordEnd(signs, from)
		for i := from; i+shortestInside <= to; i++ {
			if mask[signs[i].start] || spared[i] > 0 || !t.begins(signs[i:to]) {
				continue
			}
			if tellsSomebody(signs[from:to]) {
				for j := v.at[signs[from].from]; j < v.at[signs[to-1].to]; j++ {
					mask[j] = true
				}
			}
			break
		}
		from = to
	}
}

// begins reports that letters begin with a name that counts in the middle of a word.
func (t terms) begins(letters []sign) bool {
	at := int32(0)
	for _, s := range letters[:min(len(letters), longestTerm)] {
		p, ok := t[step{at, s.r}]
		if !ok {
			return false
		}
		if p.found != nil && p.found.inside {
			return true
		}
		at = p.next
	}
	return false
}

func foldedOf(word []sign) string {
	var b strings.Builder
	for _, s := range word {
		b.WriteRune(s.r)
	}
	return b.String()
}

// plural is where a word ends that begins with sign i and has an s, or es, behind sign j-1; 0 where it does not.
func (f *finding) plural(signs []sign, i, j int) int {
	if f.cut || f.strict || len(f.exact) > 0 || f.size < shortestPlural || unicode.IsDigit(signs[j-1].r) {
		return 0
	}
	for k := j; k < min(j+2, len(signs)) && signs[k].gap == 0; k++ {
		if signs[k].r == 's' && endsWord(signs, k+1, true) && (k == j || signs[j].r == 'e') {
			if !tellsSomebody(signs[i : k+1]) {
				return 0
			}
			return k + 1
		}
	}
	return 0
}
