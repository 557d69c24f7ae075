package registrar

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

const (
	// windowSize is how many bytes in a row of a secret give it away: an upstream may quote only part of a token.
	windowSize = 8
	// shortestSecret is the length below which hiding a secret would blot out ordinary words.
	shortestSecret = 4
	// shortestBase64 is the number of letters below which a part of a secret in base64 may as well be a word.
	shortestBase64 = 6
	// keptTokens is how many recent tokens are looked for; a late reply may quote one that was replaced.
	keptTokens = 4
)

// needle finds one secret in a text, whole or in part, in any case: as it is, in base64, and in hexadecimal.
type needle struct {
	forms []form
	size  int // of the shortest part that is found
}

// form is one way to write a secret.
type form struct {
	windows map[string]struct{} // every run of size bytes, in lower case
	size    int
	base64  bool // in the alphabet of base64, of which URLs have another one
}

func newNeedle(secret string) needle {
	n := needle{size: min(windowSize, len(secret))}
	n.add(form{size: n.size}, string(lowered([]byte(secret), false)))
	n.add(form{size: 2 * n.size}, hex.EncodeToString([]byte(secret)))
	if letters := base64Window(n.size); letters >= shortestBase64 {
		n.add(form{size: letters, base64: true}, base64Forms(secret)...)
	}
	return n
}

func (n *needle) add(f form, texts ...string) {
	f.windows = map[string]struct{}{}
	for _, text := range texts {
		for i := 0; i+f.size <= len(text); i++ {
			f.windows[text[i:i+f.size]] = struct{}{}
		}
	}
	n.forms = append(n.forms, f)
}

// base64Window is how many letters of base64 so many bytes decide at least, wherever they stand.
func base64Window(size int) int { return (8*size - 4) / 6 }

// base64Forms are the letters of a secret that begins at the first, the second or the third byte of three. What stands before
// it has a part in the first letter that is left out.
func base64Forms(secret string) []string {
	var all []string
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + secret))
		all = append(all, strings.ToLower(encoded[(8*before+5)/6:]))
	}
	return all
}

// scrubber hides the client secret and the recent tokens of one client, and the secrets of others that it was given.
type scrubber struct {
	mu      sync.RWMutex
	needles []needle // the secret first, then tokens, oldest first; replaced, never changed in place
	others  []needle
}

func newScrubber(secret Secret, others ...Secret) *scrubber {
	s := &scrubber{needles: []needle{{}}}
	if len(secret) >= shortestSecret {
		s.needles[0] = newNeedle(string(secret))
	}
	for _, other := range others {
		if len(other) >= windowSize {
			s.others = append(s.others, newNeedle(string(other)))
		}
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

// hide replaces what gives a secret away: as it is, in any case, in base64 or in hexadecimal, escaped or not, even twice.
func (s *scrubber) hide(text string) string {
	mask, found := s.find(text, true)
	if !found {
		return text
	}
	return redact(text, mask, upstream.Hidden)
}

// find marks what gives a secret away, also in encoded parts of a text.
func (s *scrubber) find(text string, encoded bool) (mask []bool, found bool) {
	needles := s.current()
	mask = make([]bool, len(text))
	v := newView(text)
	for range escapeLevels {
		found = v.mark(mask, needles) || found
		found = v.mark(mask, s.others) || found
		if bytes.IndexByte(v.text, '+') >= 0 { // a space in a query
			spaced := view{text: bytes.ReplaceAll(v.text, []byte("+"), []byte(" ")), at: v.at}
			found = spaced.mark(mask, needles) || found
			found = spaced.mark(mask, s.others) || found
		}
		if encoded {
			found = v.markEncoded(mask, func(text string) bool {
				_, found := s.find(text, false)
				return found
			}) || found
		}
		next, changed := v.unescape()
		if !changed {
			break
		}
		v = next
	}
	return mask, found
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

func (v view) mark(mask []bool, needles []needle) bool {
	plain, found := lowered(v.text, false), false
	inBase64 := plain
	if bytes.ContainsAny(plain, "-_") {
		inBase64 = lowered(v.text, true)
	}
	for _, n := range needles {
		for _, f := range n.forms {
			text := plain
			if f.base64 {
				text = inBase64
			}
			found = f.mark(mask, text, v.at) || found
		}
	}
	return found
}

func (f form) mark(mask []bool, text []byte, at []int) bool {
	found := false
	for i := 0; i+f.size <= len(text); i++ {
		if _, hit := f.windows[string(text[i:i+f.size])]; !hit {
			continue
		}
		found = true
		end := i + f.size
		for f.base64 && end < len(text) && text[end] == '=' { // it fills up the last letters
			end++
		}
		for j := at[i]; j < at[end]; j++ {
			mask[j] = true
		}
	}
	return found
}

// lowered is a text in lower case, and with the letters of base64 in the place of those that it has in URLs.
func lowered(text []byte, urls bool) []byte {
	low := make([]byte, len(text))
	for i, c := range text {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case urls && c == '-':
			c = '+'
		case urls && c == '_':
			c = '/'
		}
		low[i] = c
	}
	return low
}
