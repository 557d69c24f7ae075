package registrar

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// windowSize is how many bytes in a row of a secret give it away: an upstream may quote only part of a token.
	windowSize = 12
	// shortestSecret is the length below which hiding a secret would blot out ordinary words.
	shortestSecret = 4
	// keptTokens is how many recent tokens are looked for; a late reply may quote one that was replaced.
	keptTokens = 4
	// escapeLevels is how many layers of escaping are looked through.
	escapeLevels = 4
)

// needle finds one secret in a text, whole or in part.
type needle struct {
	windows map[string]struct{}
	size    int // of each window
}

func newNeedle(secret string) needle {
	n := needle{windows: make(map[string]struct{}, len(secret)), size: min(windowSize, len(secret))}
	for i := 0; i+n.size <= len(secret); i++ {
		n.windows[secret[i:i+n.size]] = struct{}{}
	}
	return n
}

// scrubber hides the client secret and the recent tokens of one client.
type scrubber struct {
	mu      sync.RWMutex
	needles []needle // the secret first, then tokens, oldest first; replaced, never changed in place
}

func newScrubber(secret Secret) *scrubber {
	s := &scrubber{}
	if len(secret) >= shortestSecret {
		s.needles = []needle{newNeedle(string(secret))}
	} else {
		s.needles = []needle{{}}
	}
	return s
}

// addToken must be called before the token is used.
func (s *scrubber) addToken(token Secret) {
	if len(token) < shortestSecret {
		return
	}
	n := newNeedle(string(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	next := append(slices.Clone(s.needles), n)
	if len(next) > 1+keptTokens {
		next = slices.Delete(next, 1, 2)
	}
	s.needles = next
}

func (s *scrubber) current() []needle {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.needles
}

// hide replaces what gives a secret away: verbatim, URL-escaped, JSON-escaped, HTML-escaped, or several of these.
func (s *scrubber) hide(text string) string {
	needles := s.current()
	mask := make([]bool, len(text))
	found := false
	v := newView(text)
	for range escapeLevels {
		found = v.mark(mask, needles) || found
		if bytes.IndexByte(v.text, '+') >= 0 { // a space in a query
			spaced := view{text: bytes.ReplaceAll(v.text, []byte("+"), []byte(" ")), at: v.at}
			found = spaced.mark(mask, needles) || found
		}
		next, changed := v.unescape()
		if !changed {
			break
		}
		v = next
	}
	if !found {
		return text
	}
	return redact(text, mask, redacted)
}

// redact puts a word in the place of each run of marked bytes.
func redact(text string, mask []bool, word string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if !mask[i] {
			b.WriteByte(text[i])
			i++
			continue
		}
		for i < len(text) && mask[i] {
			i++
		}
		b.WriteString(word)
	}
	return b.String()
}

// view is a text, unescaped or not, that knows where in the original each of its bytes came from.
type view struct {
	text []byte
	at   []int // at[i] is where byte i begins in the original; at[len(text)] is its end
}

func newView(s string) view {
	v := view{text: []byte(s), at: make([]int, len(s)+1)}
	for i := range v.at {
		v.at[i] = i
	}
	return v
}

func (v view) mark(mask []bool, needles []needle) bool {
	found := false
	for _, n := range needles {
		if n.size == 0 {
			continue
		}
		for i := 0; i+n.size <= len(v.text); i++ {
			if _, hit := n.windows[string(v.text[i:i+n.size])]; !hit {
				continue
			}
			found = true
			for j := v.at[i]; j < v.at[i+n.size]; j++ {
				mask[j] = true
			}
		}
	}
	return found
}

// unescape takes one layer of escaping off and reports whether there was one.
func (v view) unescape() (view, bool) {
	if !bytes.ContainsAny(v.text, `%\&`) {
		return v, false
	}
	out := view{text: make([]byte, 0, len(v.text)), at: make([]int, 0, len(v.at))}
	changed := false
	for i := 0; i < len(v.text); {
		decoded, width := unescapeOne(v.text[i:])
		if width == 0 {
			decoded, width = v.text[i:i+1], 1
		} else {
			changed = true
		}
		for range decoded {
			out.at = append(out.at, v.at[i])
		}
		out.text = append(out.text, decoded...)
		i += width
	}
	out.at = append(out.at, v.at[len(v.text)])
	return out, changed
}

// unescapeOne decodes the escape that b begins with; width 0 says that it begins with none.
func unescapeOne(b []byte) (decoded []byte, width int) {
	switch b[0] {
	case '%':
		if n, ok := parseDigits(b, 1, 2, 16); ok {
			return []byte{byte(n)}, 3
		}
	case '\\':
		return unescapeJSON(b)
	case '&':
		return unescapeHTML(b)
	}
	return nil, 0
}

func unescapeJSON(b []byte) ([]byte, int) {
	if len(b) < 2 {
		return nil, 0
	}
	if strings.IndexByte(`"\/`, b[1]) >= 0 {
		return b[1:2], 2
	}
	if strings.IndexByte("bfnrt", b[1]) >= 0 { // white space, or as good as that
		return []byte(" "), 2
	}
	n, ok := parseDigits(b, 2, 4, 16)
	if b[1] != 'u' || !ok {
		return nil, 0
	}
	if utf16.IsSurrogate(n) && bytes.HasPrefix(b[6:], []byte(`\u`)) {
		if low, ok := parseDigits(b, 8, 4, 16); ok && utf16.DecodeRune(n, low) != utf8.RuneError {
			return utf8.AppendRune(nil, utf16.DecodeRune(n, low)), 12
		}
	}
	return utf8.AppendRune(nil, n), 6
}

func unescapeHTML(b []byte) ([]byte, int) {
	for _, e := range [...]struct{ name, text string }{
		{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", `"`}, {"&apos;", "'"},
	} {
		if bytes.HasPrefix(b, []byte(e.name)) {
			return []byte(e.text), len(e.name)
		}
	}
	if len(b) < 4 || b[1] != '#' {
		return nil, 0
	}
	start, base := 2, rune(10)
	if b[2] == 'x' || b[2] == 'X' {
		start, base = 3, 16
	}
	end := bytes.IndexByte(b[:min(len(b), start+8)], ';')
	if end < 0 {
		return nil, 0
	}
	n, ok := parseDigits(b, start, end-start, base)
	if !ok {
		return nil, 0
	}
	return utf8.AppendRune(nil, n), end + 1
}

// parseDigits reads exactly count digits, at most seven, from b[start:].
func parseDigits(b []byte, start, count int, base rune) (rune, bool) {
	if count < 1 || len(b) < start+count {
		return 0, false
	}
	var n rune
	for _, c := range b[start : start+count] {
		d := rune(c) - '0'
		if lower := rune(c) | 0x20; lower >= 'a' && lower <= 'f' {
			d = lower - 'a' + 10
		}
		if d < 0 || d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}
