package registrar

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const (
	// shortestEncoded is how many letters of an encoding are read. Fewer hold no detail that tells anybody apart.
	shortestEncoded = 6
	// shortestText is how many bytes that can be read are no accident among others.
	shortestText = 5
	// encodings is how many times a detail may be encoded.
	encodings = 2
)

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

// decodings are the texts that a run of letters may hold: in base64, in that of URLs, also cut, and in hexadecimal. Nearly all
// runs hold none.
func decodings(run []byte) []string {
	letters := []byte(strings.NewReplacer("-", "+", "_", "/").Replace(string(run)))
	var texts []string
	for from := range min(4, len(letters)) { // a path may stand before it, whose slashes are letters as well
		texts = append(texts, textsIn(fromBase64(letters[from:]))...)
	}
	for _, from := range beginningsIn(letters) {
		texts = append(texts, wholeTexts(fromBase64(letters[from:]))...)
	}
	texts = append(texts, fromBase32(run)...)
	digits := run
	for _, prefix := range []string{"0x", "0X", "x", "X"} {
		digits = bytes.TrimPrefix(digits, []byte(prefix))
	}
	if bytes.IndexFunc(digits, func(r rune) bool { return !unicode.Is(unicode.ASCII_Hex_Digit, r) }) < 0 {
		decoded := make([]byte, len(digits)/2)
		if _, err := hex.Decode(decoded, digits[:len(digits)/2*2]); err == nil {
			texts = append(texts, wholeTexts(decoded)...)
		}
	}
	return texts
}

func fromBase64(letters []byte) []byte {
	if len(letters)%4 == 1 { // no byte ends there
		letters = letters[:len(letters)-1]
	}
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(letters)))
	n, _ := base64.RawStdEncoding.Decode(decoded, letters) // all of them are letters of base64
	return decoded[:n]
}

// beginningsIn are where a run of letters begins, or may begin anew: behind one of its first signs.
func beginningsIn(letters []byte) []int {
	const most = 16
	all := []int{0}
	for i, c := range letters {
		if (c == '/' || c == '+') && len(all) < most {
			all = append(all, i+1)
		}
	}
	return all
}

// unescapeWord knows a word as headers of mail have it: =?utf-8?Q?Jo=C3=ABlle?= and =?utf-8?B?Sm/Dq2xsZQ==?=. White space between two
// such words says nothing.
func unescapeWord(b []byte) ([]byte, int) {
	const longest = 300
	window := b[:min(len(b), longest)]
	if !bytes.HasPrefix(window, []byte("=?")) {
		return nil, 0
	}
	parts := bytes.SplitN(window, []byte("?"), 5) // =, the encoding of its bytes, that of the word, the word, and = with the rest
	if len(parts) < 5 || len(parts[2]) != 1 || !bytes.HasPrefix(parts[4], []byte("=")) {
		return nil, 0
	}
	width := len(window) - len(parts[4]) + 1
	rest := bytes.TrimLeft(b[width:], " ")
	if bytes.HasPrefix(rest, []byte("=?")) {
		width = len(b) - len(rest)
	}
	switch parts[2][0] | 0x20 {
	case 'b':
		return fromBase64(bytes.TrimRight(parts[3], "=")), width
	case 'q':
		return fromQ(parts[3]), width
	}
	return nil, 0
}

// fromQ reads quoted-printable as it is in such words.
func fromQ(word []byte) []byte {
	var read []byte
	for i := 0; i < len(word); i++ {
		n, ok := parseDigits(word, i+1, 2, 16)
		switch {
		case word[i] == '=' && ok:
			read = append(read, byte(n))
			i += 2
		case word[i] == '_':
			read = append(read, ' ')
		default:
			read = append(read, word[i])
		}
	}
	return read
}

// wholeTexts are what bytes may be from the first to the last: UTF-8 that was cut, Latin-1, or UTF-16 of Western letters.
func wholeTexts(decoded []byte) []string {
	cut := len(decoded)
	for range utf8.UTFMax - 1 { // the rest of a letter may be gone
		if cut > 0 && !utf8.Valid(decoded[:cut]) {
			cut--
		}
	}
	if text := string(decoded[:cut]); isText(text) {
		return []string{text}
	}
	const wide = 3 // every second byte of UTF-16 is zero, but for a few
	if zeros := bytes.Count(decoded, []byte{0}); zeros > 0 && zeros >= len(decoded)/wide {
		decoded = bytes.ReplaceAll(decoded, []byte{0}, nil)
	}
	if text := western(decoded); isText(text) {
		return []string{text}
	}
	return nil
}

// western reads Latin-1; "" where it is none: of three letters one may have a mark, and chance makes half of all bytes such letters.
func western(decoded []byte) string {
	var b strings.Builder
	foreign := 0
	for _, c := range decoded {
		if c >= utf8.RuneSelf {
			foreign++
		}
		b.WriteRune(charmap.Windows1252.DecodeByte(c))
	}
	const most = 3
	if foreign*most > len(decoded) {
		return ""
	}
	return b.String()
}

// textsIn are the parts of bytes that can be read, where they are long enough not to be there by chance.
func textsIn(decoded []byte) []string {
	var texts []string
	for from := 0; from < len(decoded); {
		to := from
		for to < len(decoded) {
			r, size := utf8.DecodeRune(decoded[to:])
			if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
				break
			}
			to += size
		}
		if to-from >= shortestText {
			texts = append(texts, string(decoded[from:to]))
		}
		from = to + 1
	}
	return texts
}

// isText reports whether all of it can be read, or is not seen at all.
func isText(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) })
}
