package registrar

import (
	"bytes"
	"html"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// escapeLevels is how many readings of a text are looked through: as it came, and with up to so many layers of escaping, less
// one, taken off.
const escapeLevels = 6

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

// unescape takes one layer of escaping off and reports whether there was one.
func (v view) unescape() (view, bool) {
	if !mayBeEscaped(v.text) {
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

func mayBeEscaped(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf || c == '%' || c == '\\' || c == '&' || c == '=' || c == '+' {
			return true
		}
	}
	return false
}

// unescapeOne decodes the escape that b begins with; width 0 says that it begins with none.
func unescapeOne(b []byte) (decoded []byte, width int) {
	switch {
	case b[0] == '%':
		return unescapePercent(b)
	case b[0] == '\\':
		return unescapeJSON(b)
	case b[0] == '&':
		if decoded, width := unescapeHTML(b); width > 0 {
			return decoded, width
		}
		return unescapeUTF7(b) // as names of folders are written in mail
	case b[0] == '+':
		return unescapeUTF7(b)
	case b[0] == '=':
		if word, width := unescapeWord(b); width > 0 {
			return word, width
		}
		return unescapeQuotedPrintable(b)
	case b[0] >= utf8.RuneSelf:
		return unmangle(b)
	}
	return nil, 0
}

// unescapePercent knows %C3%AB, and %u00EB of old scripts.
func unescapePercent(b []byte) ([]byte, int) {
	if n, ok := parseDigits(b, 1, 2, 16); ok {
		return []byte{byte(n)}, 3
	}
	if len(b) > 1 && b[1]|0x20 == 'u' {
		if n, ok := parseDigits(b, 2, 4, 16); ok {
			return utf8.AppendRune(nil, n), 6
		}
	}
	return nil, 0
}

// unescapeJSON knows, beside JSON's own, the escapes of the languages that quote in its way: \xEB, \u{eb} and \353.
func unescapeJSON(b []byte) ([]byte, int) {
	if len(b) < 2 {
		return nil, 0
	}
	if letter, width := unescapeCSS(b); width > 0 {
		return letter, width
	}
	if strings.IndexByte(`"'\/`, b[1]) >= 0 {
		return b[1:2], 2
	}
	if strings.IndexByte("bfnrt", b[1]) >= 0 { // white space, or as good as that
		return []byte(" "), 2
	}
	if n, width := bracedNumber(b); width > 0 {
		return utf8.AppendRune(nil, n), width
	}
	switch b[1] {
	case 'u':
		return unescapeUnicode(b)
	case 'e': // what begins a colour of a terminal
		if len(b) > 2 && b[2] == '[' {
			return []byte{0x1b}, 2
		}
	case 'U': // of eight digits, as Python and C write it
		if n, ok := parseDigits(b, 5, 5, 16); ok && bytes.HasPrefix(b[2:], []byte("000")) {
			return utf8.AppendRune(nil, n), 10
		}
	case 'x':
		if n, ok := parseDigits(b, 2, 2, 16); ok {
			return []byte{byte(n)}, 4
		}
	}
	if n, ok := parseDigits(b, 1, 3, 8); ok && n < 256 {
		return []byte{byte(n)}, 4
	}
	return nil, 0
}

// bracedNumber is the letter in \u{eb}, \x{eb}, \o{353} and \N{U+EB}.
func bracedNumber(b []byte) (letter rune, width int) {
	const longest = 14
	open, base := 2, rune(16)
	switch {
	case bytes.HasPrefix(b[1:], []byte("N{U+")):
		open = 4
	case bytes.HasPrefix(b[1:], []byte("o{")):
		base = 8
	case !bytes.HasPrefix(b[1:], []byte("u{")) && !bytes.HasPrefix(b[1:], []byte("x{")):
		return 0, 0
	}
	end := bytes.IndexByte(b[:min(len(b), longest)], '}')
	n, ok := parseDigits(b, open+1, end-open-1, base)
	if !ok {
		return 0, 0
	}
	return n, end + 1
}

func unescapeUnicode(b []byte) ([]byte, int) {
	n, ok := parseDigits(b, 2, 4, 16)
	if !ok {
		return nil, 0
	}
	if utf16.IsSurrogate(n) && bytes.HasPrefix(b[6:], []byte(`\u`)) {
		if low, ok := parseDigits(b, 8, 4, 16); ok && utf16.DecodeRune(n, low) != utf8.RuneError {
			return utf8.AppendRune(nil, utf16.DecodeRune(n, low)), 12
		}
	}
	return utf8.AppendRune(nil, n), 6
}

// longestEntity is that of HTML's names: &CounterClockwiseContourIntegral;
const longestEntity = 33

// unescapeHTML knows every name of HTML, and numbers. Some names and all numbers may lack their semicolon.
func unescapeHTML(b []byte) ([]byte, int) {
	end := 1
	for end < min(len(b), longestEntity) && isEntityByte(b[end]) {
		end++
	}
	if end < len(b) && b[end] == ';' {
		name := string(b[:end+1])
		if text := html.UnescapeString(name); text != name && text != "\uFFFD" && (text == "&" || text[0] != '&') {
			return []byte(text), end + 1
		}
	}
	if len(b) > 2 && b[1] == '#' {
		return unescapeNumber(b)
	}
	for n := len("&lt"); n <= min(end, len("&thetasym")); n++ {
		text := html.UnescapeString(string(b[:n]))
		if text != string(b[:n]) {
			return []byte(text), n
		}
	}
	return nil, 0
}

func isEntityByte(c byte) bool {
	return c == '#' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func unescapeNumber(b []byte) ([]byte, int) {
	start, base := 2, rune(10)
	if b[2]|0x20 == 'x' {
		start, base = 3, 16
	}
	for count := 7; count > 0; count-- {
		n, ok := parseDigits(b, start, count, base)
		if !ok {
			continue
		}
		if end := start + count; end < len(b) && b[end] == ';' {
			return utf8.AppendRune(nil, n), end + 1
		}
		return utf8.AppendRune(nil, n), start + count
	}
	return nil, 0
}

// unescapeQuotedPrintable knows what mail makes of letters that are not ASCII. In small letters these alone are taken for it: before
// others, unless in a row, an equals sign stands for itself.
func unescapeQuotedPrintable(b []byte) ([]byte, int) {
	n, ok := parseDigits(b, 1, 2, 16)
	if !ok {
		return nil, 0
	}
	if n < utf8.RuneSelf && (b[1] > 'F' || b[2] > 'F') {
		if _, more := parseDigits(b, 4, 2, 16); !more || b[3] != '=' {
			return nil, 0
		}
	}
	return []byte{byte(n)}, 3
}

// unmangle reads letters that were written in UTF-8 and read in another encoding: Ã« is ë. It decodes one.
func unmangle(b []byte) ([]byte, int) {
	for _, encoding := range [...]*charmap.Charmap{
		charmap.Windows1252, charmap.ISO8859_1, charmap.CodePage850, charmap.Macintosh, charmap.CodePage437, charmap.CodePage852,
		charmap.Windows1251, charmap.CodePage866, charmap.KOI8R, charmap.ISO8859_15,
	} {
		if letter, width := unmangleFrom(b, encoding); width > 0 {
			return letter, width
		}
	}
	return nil, 0
}

func unmangleFrom(b []byte, encoding *charmap.Charmap) ([]byte, int) {
	var letter []byte
	need, width := 1, 0
	for len(letter) < need {
		r, size := utf8.DecodeRune(b[width:])
		c, ok := encoding.EncodeRune(r)
		if !ok && r < 0x100 { // what the encoding has no letter for is often passed on as it is
			c, ok = byte(r), true
		}
		if !ok || size < 2 {
			return nil, 0
		}
		if len(letter) == 0 {
			if need = sequenceLength(c); need == 0 {
				return nil, 0
			}
		}
		letter, width = append(letter, c), width+size
	}
	if r, _ := utf8.DecodeRune(letter); r == utf8.RuneError && string(letter) != "\uFFFD" {
		return nil, 0
	}
	return letter, width
}

// sequenceLength is how many bytes UTF-8 takes for a letter that begins with lead and is not ASCII; 0: none begins so.
func sequenceLength(lead byte) int {
	switch {
	case lead >= 0xC2 && lead <= 0xDF:
		return 2
	case lead >= 0xE0 && lead <= 0xEF:
		return 3
	case lead >= 0xF0 && lead <= 0xF4:
		return 4
	}
	return 0
}

// parseDigits reads exactly count digits, at most seven, from b[start:].
func parseDigits(b []byte, start, count int, base rune) (rune, bool) {
	if count < 1 || len(b) < start+count {
		return 0, false
	}
	var n rune
	for _, c := range b[start : start+count] {
		d := rune(c) - '0'
		if c > '9' { // what stands behind the digits in ASCII is none
			d = base
		}
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
