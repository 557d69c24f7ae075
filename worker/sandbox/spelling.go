package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// Spelling is one of the forms in which an upstream quotes what it knows of a holder.
type Spelling struct {
	Name  string
	Quote func(Holder) []string // the details, each in this form
}

// Spellings lists them.
func Spellings() []Spelling {
	return slices.Concat(plainSpellings(), escapedSpellings(), brokenSpellings(), partialSpellings(), disguisedSpellings(), numberedSpellings())
}

// details are those of a holder that tell somebody apart.
func (h Holder) details() []string {
	all := []string{h.Company, h.Firstname, h.Lastname, h.Email, h.Phone, h.Street, h.Postalcode, h.City}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// each is a spelling that writes every detail in the same way.
func each(name string, write func(string) string) Spelling {
	return Spelling{name, func(h Holder) []string {
		all := h.details()
		for i, detail := range all {
			all[i] = write(detail)
		}
		return all
	}}
}

func plainSpellings() []Spelling {
	between := func(sep string) func(string) string {
		return func(s string) string { return strings.Join(strings.Fields(s), sep) }
	}
	return []Spelling{
		each("plain", func(s string) string { return s }),
		each("upper case", strings.ToUpper),
		each("lower case", strings.ToLower),
		each("upper case with ss", func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "ß", "ss")) }),
		each("without marks", withoutMarks),
		each("without marks in upper case", func(s string) string { return strings.ToUpper(withoutMarks(s)) }),
		each("umlauts with e", strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ö", "Oe", "Ü", "Ue", "Ä", "Ae", "ß", "ss").Replace),
		each("nfd", norm.NFD.String),
		each("full width", fullWidth),
		each("no spaces", between("")),
		each("dots for spaces", between(".")),
		each("hyphens for spaces", between("-")),
		each("underscores for spaces", between("_")),
		each("two spaces", between("  ")),
		each("dots between letters", func(s string) string { return strings.Join(strings.Split(s, ""), ".") }),
		each("hidden hyphens", func(s string) string { return strings.Join(strings.Split(s, ""), "\u00ad") }),
	}
}

func escapedSpellings() []Spelling {
	foreign := func(format string) func(string) string {
		return escaper(format, func(r rune) bool { return r >= 0x80 })
	}
	every := func(format string) func(string) string { return escaper(format, func(rune) bool { return true }) }
	return []Spelling{
		each("query", url.QueryEscape),
		each("path", url.PathEscape),
		each("percent in lower case", func(s string) string { return strings.ToLower(url.PathEscape(s)) }),
		each("percent twice", func(s string) string { return url.PathEscape(url.PathEscape(s)) }),
		each("percent of latin-1", func(s string) string { return bytesEscaped("%%%02X", latin1(s)) }),
		each("percent u", every("%%u%04X")),
		each("json", foreign(`\u%04x`)),
		each("json of all", every(`\u%04x`)),
		each("json twice", foreign(`\\u%04x`)),
		each("json without backslash", foreign("u%04x")),
		each("braces", foreign(`\u{%x}`)),
		each("hexadecimal", func(s string) string { return bytesEscaped(`\x%02x`, []byte(s)) }),
		each("octal", func(s string) string { return bytesEscaped(`\%03o`, []byte(s)) }),
		each("html names", htmlNames),
		each("html names without semicolon", func(s string) string { return strings.ReplaceAll(htmlNames(s), ";", "") }),
		each("html twice", func(s string) string { return html.EscapeString(htmlNames(s)) }),
		each("html numbers", foreign("&#%d;")),
		each("html numbers of all", every("&#%d;")),
		each("html hexadecimal", every("&#x%X;")),
		each("quoted-printable", func(s string) string { return bytesEscaped("=%02X", []byte(s)) }),
		each("quoted-printable of latin-1", func(s string) string { return bytesEscaped("=%02X", latin1(s)) }),
	}
}

func brokenSpellings() []Spelling {
	lost := func(with string) func(string) string {
		return func(s string) string {
			return string(bytes.ReplaceAll(latin1(strings.Map(func(r rune) rune {
				if r >= 0x80 {
					return lostLetter
				}
				return r
			}, s)), []byte{lostLetter}, []byte(with)))
		}
	}
	return []Spelling{
		each("utf-8 as latin-1", readAs(charmap.ISO8859_1)),
		each("utf-8 as windows-1252", readAs(charmap.Windows1252)),
		each("utf-8 as latin-1 twice", func(s string) string { return readAs(charmap.ISO8859_1)(readAs(charmap.ISO8859_1)(s)) }),
		each("utf-8 as codepage 850", readAs(charmap.CodePage850)),
		each("utf-8 as latin-9", readAs(charmap.ISO8859_15)),
		each("latin-1 as utf-8", func(s string) string { return strings.ToValidUTF8(string(latin1(s)), "\uFFFD") }),
		each("question marks", lost("?")),
		each("letters lost", lost("")),
	}
}

func partialSpellings() []Spelling {
	address := func(at, dot string) func(Holder) []string {
		return func(h Holder) []string {
			return []string{strings.NewReplacer("@", at, ".", dot).Replace(h.Email)}
		}
	}
	return []Spelling{
		{"at in brackets", address("[at]", ".")},
		{"at in parentheses", address(" (at) ", ".")},
		{"at", address(" at ", ".")},
		{"at and dot", address(" [at] ", " [dot] ")},
		{"html at", address("&commat;", "&period;")},
		{"national number", func(h Holder) []string { return []string{"0" + national(h.Phone)} }},
		{"national number with hyphens", func(h Holder) []string { return []string{spread("0"+national(h.Phone), "-")} }},
		{"number with 00", func(h Holder) []string { return []string{"00" + spread(strings.TrimPrefix(h.Phone, "+"), " ")} }},
		{"number with (0)", func(h Holder) []string {
			return []string{h.Phone[:min(len(h.Phone), 3)] + " (0)" + spread(national(h.Phone), " ")}
		}},
		{"last name first", func(h Holder) []string { return []string{h.Lastname + ", " + h.Firstname, h.Lastname + h.Firstname} }},
		{"base64", func(h Holder) []string {
			return []string{base64.StdEncoding.EncodeToString([]byte(h.Firstname + " " + h.Lastname + ", " + h.Street))}
		}},
		{"hexadecimal digits", func(h Holder) []string { return []string{hex.EncodeToString([]byte(h.Firstname + " " + h.Lastname))} }},
		{"base64 behind a path", func(h Holder) []string {
			return []string{"/holders/" + base64.URLEncoding.EncodeToString(latin1(h.Firstname+" "+h.Lastname)), "/h/" + base64.StdEncoding.EncodeToString([]byte(h.Street))}
		}},
		{"bytes", func(h Holder) []string {
			return []string{fmt.Sprintf("%x", h.Lastname), fmt.Sprintf("% x", h.Street), fmt.Sprint([]byte(h.Firstname))}
		}},
		{"name of an account", func(h Holder) []string {
			name := strings.ToLower(h.Lastname[strings.LastIndexAny(h.Lastname, " -")+1:])
			return []string{strings.ToLower(h.Firstname) + name, name + strings.ToLower(cutTo(h.Firstname, 1))}
		}},
		{"initial", func(h Holder) []string {
			return []string{cutTo(h.Firstname, 1) + h.Lastname, cutTo(h.Firstname, 1) + ". " + h.Lastname}
		}},
		{"street without its end", func(h Holder) []string { return []string{cutShort(h.Street)} }},
		{"part of the street", func(h Holder) []string { return strings.Fields(h.Street)[len(strings.Fields(h.Street))-1:] }},
		{"street shortened", func(h Holder) []string { return []string{strings.ReplaceAll(h.Street, "straat", "str.")} }},
		{"part of the name", func(h Holder) []string {
			return strings.FieldsFunc(h.Lastname, func(r rune) bool { return r == '-' || r == ' ' })
		}},
	}
}

// lostLetter stands for a letter until something else does.
const lostLetter = 0x01

// national is a number without its country code, of two digits as those of the sandbox's people are.
func national(phone string) string { return phone[min(len(phone), 3):] }

func spread(digits, sep string) string {
	var parts []string
	for part := range slices.Chunk([]byte(digits), 3) {
		parts = append(parts, string(part))
	}
	return strings.Join(parts, sep)
}

// cutShort is text in a field that was too short for its last letters.
func cutShort(s string) string { return cutTo(s, len([]rune(s))*4/5) }

func cutTo(s string, most int) string {
	letters := []rune(s)
	return string(letters[:min(most, len(letters))])
}

func withoutMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(strings.NewReplacer("ß", "ss", "ø", "o", "Ø", "O", "æ", "ae").Replace(s)))
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r + 0xFEE0
		}
		return r
	}, s)
}

// escaper writes some runes in a format for their number.
func escaper(format string, escaped func(rune) bool) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, r := range s {
			if escaped(r) {
				fmt.Fprintf(&b, format, r)
			} else {
				b.WriteRune(r)
			}
		}
		return b.String()
	}
}

// bytesEscaped writes what is no ASCII letter or digit in a format for each of its bytes.
func bytesEscaped(format string, s []byte) string {
	var b strings.Builder
	for _, c := range s {
		if c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, format, c)
		}
	}
	return b.String()
}

func latin1(s string) []byte {
	var b []byte
	for _, r := range s {
		c, ok := charmap.ISO8859_1.EncodeRune(r)
		if !ok {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

func readAs(encoding *charmap.Charmap) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			b.WriteRune(encoding.DecodeByte(c))
		}
		return b.String()
	}
}

// htmlNames writes letters with marks as HTML does.
func htmlNames(s string) string {
	return strings.NewReplacer("é", "&eacute;", "è", "&egrave;", "ë", "&euml;", "ï", "&iuml;", "ö", "&ouml;", "ü", "&uuml;",
		"ä", "&auml;", "ß", "&szlig;", "á", "&aacute;", "ñ", "&ntilde;", "ø", "&oslash;", "ç", "&ccedil;", "å", "&aring;",
		"í", "&iacute;", "à", "&agrave;", "&", "&amp;").Replace(s)
}

// quoting is a failure that quotes holders in a spelling, by its number.
func quoting(status, spelling int, holders ...Holder) *failure {
	all := Spellings()
	write := all[spelling%len(all)]
	var words []string
	for _, h := range holders {
		if h.Email != "" && h.Phone != "" && h.Street != "" { // others came without details, and their forms need them
			words = append(words, write.Quote(h)...)
		}
	}
	return &failure{status, "cannot serve " + strings.Join(words, " of ")}
}

// numberOf is the number behind the label of a domain, such as 7 of quoting-0007.nl; 0 for none.
func numberOf(domain string) int {
	first, _, _ := strings.Cut(domain, ".")
	n, err := strconv.Atoi(first[strings.LastIndexByte(first, '-')+1:])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// quoted is the failure of a whole call that quotes holders: those of its items, or the account's newest where it names none.
func (b *books) quoted(c *Call, f Fault) *failure {
	turn := c.Seq
	if i := slices.IndexFunc(Spellings(), func(s Spelling) bool { return s.Name == f.Word }); i >= 0 {
		turn = i
	}
	var ids []string
	for _, item := range c.Items {
		if item.Holder != "" && !slices.Contains(ids, item.Holder) {
			ids = append(ids, item.Holder)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	const most = 3
	if len(ids) == 0 {
		ids = b.holderIDs[max(0, len(b.holderIDs)-1):]
	}
	var holders []Holder
	for _, id := range ids[:min(len(ids), most)] {
		if h := b.visible(c.Account, id); h != nil {
			holders = append(holders, h.Holder)
		}
	}
	return quoting(f.Status, turn, holders...)
}
