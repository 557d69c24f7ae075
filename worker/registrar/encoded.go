package registrar

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortestEncoded is how many letters of an encoding are read. Fewer hold no detail that tells anybody apart.
const shortestEncoded = 6

// markEncoded marks what is text in base64 or in hexadecimal, as a whole, where it tells something. It reports whether any does.
func (v view) markEncoded(mask []bool, tells func(text string) bool) bool {
	found := false
	for from := 0; from < len(v.text); {
		to := from
		for to < len(v.text) && isEncoded(v.text[to]) {
			to++
		}
		if to-from >= shortestEncoded && slices.ContainsFunc(decodings(v.text[from:to]), tells) {
			found = true
			for to < len(v.text) && v.text[to] == '=' { // it fills up the last letters
				to++
			}
			for i := v.at[from]; i < v.at[to]; i++ {
				mask[i] = true
			}
		}
		from = max(to, from+1)
	}
	return found
}

func isEncoded(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '-' || c == '_'
}

// decodings are the texts that a run of letters may be: in base64, in that of URLs, also cut, and in hexadecimal. Nearly all runs
// are none.
func decodings(run []byte) []string {
	var texts []string
	add := func(decoded []byte, err error) {
		cut := len(decoded)
		for range utf8.UTFMax - 1 { // the rest of a letter may be gone
			if cut > 0 && !utf8.Valid(decoded[:cut]) {
				cut--
			}
		}
		if text := string(decoded[:cut]); err == nil && isText(text) {
			texts = append(texts, text)
		}
	}
	letters := strings.NewReplacer("-", "+", "_", "/").Replace(string(run))
	if len(letters)%4 == 1 { // no byte ends there
		letters = letters[:len(letters)-1]
	}
	add(base64.RawStdEncoding.DecodeString(letters))
	if bytes.IndexFunc(run, func(r rune) bool { return !unicode.Is(unicode.ASCII_Hex_Digit, r) }) < 0 {
		add(hex.DecodeString(string(run[:len(run)/2*2])))
	}
	return texts
}

// isText reports whether all of it can be read.
func isText(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) })
}
