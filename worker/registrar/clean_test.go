package registrar

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

func TestClean(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	s.addToken(fixedToken)
	for in, want := range map[string]string{
		"free":                                         "free",
		"":                                             "",
		"insufficient funds":                           "insufficient funds",
		"two\r\nlines\tand\x00 \x1b[31mcolour":         "two lines and [31mcolour",
		"right\u202eleft\u200bjoined":                  "rightleftjoined",
		"bad \xff byte":                                "bad \uFFFD byte",
		"ann@example.be is known":                      "[e-mail] is known",
		"mail <ann.p+x@sub.example.be>.":               "mail <[e-mail]>.",
		"to=ann%40example.be":                          "[e-mail]",
		"call +31 6 1234 5678 or 06-12345678":          "call [phone] or [phone]",
		"call +32.12345678, 0032 12 34 56 78":          "call [phone], [phone]",
		"phone %2B31612345678":                         "phone [phone]",
		"at 2026-01-02 03:04:05 on 10.0.0.12:443":      "at 2026-01-02 03:04:05 on 10.0.0.12:443",
		"request 01234567-89ab-4def-8123-0123456789ab": "request 01234567-89ab-4def-8123-0123456789ab",
		"code 422, 12 months, 1000000000":              "code 422, 12 months, 1000000000",
		"sent eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.":         "sent [token]",
		"header Bearer abcdef0123456789":               "header Bearer [token]",
		"0612345678.nl and x0612345678":                "[phone].nl and x0612345678",
	} {
		if got := s.clean(in, nil); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := s.clean("Lastname PEETERS, not Peetersen, of Kerkstraat 1", newTerms([]string{"Peeters", "Kerkstraat", "", "1"})); got !=
		"Lastname [personal], not Peetersen, of [personal] 1" {
		t.Errorf("personal terms: %q", got)
	}
}

// An upstream quotes what it was sent in the forms in which it keeps or shows it.
func TestCleanHidesPersonalTerms(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	for _, tt := range []struct{ term, text, want string }{
		{"Joëlle", "Joe\u0308lle is known", "[personal] is known"},
		{"Joëlle", `{"firstname":"Jo\u00eblle"}`, `{"firstname":"[personal]"}`},
		{"Joëlle", "?firstname=Jo%C3%ABlle&", "?firstname=[personal]&"},
		{"Joëlle", "<b>Jo&#235;lle</b>", "<b>[personal]</b>"},
		{"O'Brien & Sons", "O&#39;Brien &amp; Sons is known", "[personal] is known"},
		{"O'Brien & Sons", `O'Brien \u0026 Sons is known`, "[personal] is known"},
		{"O'Brien & Sons", "name=O%27Brien+%26+Sons", "name=[personal]"},
		{"Anna Maria", "Anna  Maria, ANNA MARIA and AnnaMaria", "[personal], [personal] and [personal]"},
		{"Zoë", "Zo? or Zo?? or ?Zo", "[personal] or [personal] or ?Zo"},
		{"Åke", "?ke?", "[personal]?"},
		{"O'Brien", "is O?Brien known? O??Brien", "is [personal] known? [personal]"},
		{"Müller", "M&Atilde;&frac14;ller, M%C3%83%C2%BCller, Mu¨ller, M=C3=BCller, mu00fcller, M√ºller", "[personal], [personal], [personal], [personal], [personal], [personal]"},
		{"1234 AB", "1234AB or 1234 ab", "[personal] or [personal]"},
		{"Jansen", `no\nJansen`, `no\n[personal]`},
		{"Jansen", "no%20Jansen, Jansenius, Jansens, %4Aansen", "no%20[personal], Jansenius, [personal], [personal]"},
		{"Personal", "Personal and PERSONAL", "[personal] and [personal]"},
		{"B.V. (Noord)", "B.V. (Noord) is known, B.V. is not", "[personal] is known, B.V. is not"},
		{"x", "x is too short to hide", "x is too short to hide"},
		{"- -", "a - - b", "a - - b"},
	} {
		if got := s.clean(tt.text, newTerms([]string{tt.term})); got != tt.want {
			t.Errorf("%q in %q: %q, want %q", tt.term, tt.text, got, tt.want)
		}
	}
	// One term may be a part of another, or run into it.
	for _, names := range [][]string{{"Anna", "Anna Maria", "Maria Jansen"}, {"Maria Jansen", "Anna Maria", "Anna"}} {
		if got := s.clean("Anna Maria Jansen of Anna", newTerms(names)); got != "[personal] of [personal]" {
			t.Errorf("%q: %q", names, got)
		}
	}
	code := newTerms(Holder{PostalCode: "1234AB"}.personal())
	if got := s.clean("1234AB, 1234 ab", code); got != "[personal], [personal]" {
		t.Errorf("postal code: %q", got)
	}
}

func TestCleanHidesSecrets(t *testing.T) {
	t.Parallel()
	quote := func(s string) string { return quoteJSON(t, s) }
	escapes := map[string]func(string) string{
		"raw":               func(s string) string { return s },
		"query":             url.QueryEscape,
		"path":              url.PathEscape,
		"lower-case hex":    func(s string) string { return strings.ToLower(url.QueryEscape(s)) },
		"JSON":              quote,
		"JSON in JSON":      func(s string) string { return quote(quote(s)) },
		"JSON with slashes": func(s string) string { return strings.ReplaceAll(quote(s), "/", `\/`) },
		"JSON all escaped": func(s string) string {
			var b strings.Builder
			for _, r := range s {
				b.WriteString(`\u00` + string("0123456789abcdef"[r>>4]) + string("0123456789ABCDEF"[r&15]))
			}
			return b.String()
		},
		"HTML":          html.EscapeString,
		"query in JSON": func(s string) string { return quote(url.QueryEscape(s)) },
		"JSON in query": func(s string) string { return url.QueryEscape(quote(s)) },
		"upper case":    strings.ToUpper,
		"title":         strings.ToTitle,
		"base64":        func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64 twice": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte("client:" + s))))
		},
		"base64 of a query": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte("secret=" + url.QueryEscape(s)))
		},
		"hexadecimal of base64":  func(s string) string { return hex.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(s)))) },
		"base64 of URL":          func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
		"raw base64":             func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"hexadecimal":            func(s string) string { return hex.EncodeToString([]byte(s)) },
		"upper-case hexadecimal": func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"percent of all":         func(s string) string { return bytesAs("%%%02x", s) },
		"\\x":                    func(s string) string { return bytesAs(`\x%02X`, s) },
		"HTML numbers":           func(s string) string { return bytesAs("&#%d;", s) },
		"part":                   func(s string) string { return s[3 : len(s)-2] },
		"control bytes":          func(s string) string { return s[:6] + "\x00" + s[6:] },
	}
	s := newScrubber(testSecret)
	s.addToken("opaque-token/with+odd&signs<0123456789>")
	for _, secret := range []string{testSecret, "opaque-token/with+odd&signs<0123456789>"} {
		for name, escape := range escapes {
			got := s.clean("before "+escape(secret)+" after", nil)
			if name == "lower-case hex" && secret != strings.ToLower(secret) {
				t.Fatal("the secret must be in lower case for this")
			}
			if !strings.HasPrefix(got, "before [secret]") || !strings.HasSuffix(got, "[secret] after") {
				t.Errorf("%s: %q", name, got)
			}
		}
		// Cut by our own bounds, at every place where that can happen.
		for pad := maxRead - len(secret) - 1; pad <= maxRead; pad++ {
			got := s.clean("a@"+strings.Repeat("b", pad-3)+" "+secret, nil)
			if got != "" && got != "[e-mail] [secret]" {
				t.Fatalf("padding %d: %q", pad, got)
			}
			got = s.clean("said: a@"+strings.Repeat("b", pad-9)+","+secret, nil)
			if got != "said:" && got != "said: [e-mail],[secret]" {
				t.Fatalf("padding %d: %q", pad, got)
			}
		}
	}
	for range keptTokens {
		s.addToken("a-newer-token-0123456789")
	}
	if n := len(s.current()); n != 1+keptTokens {
		t.Errorf("%d needles", n)
	}
	if got := s.clean(testSecret, nil); got != upstream.Hidden {
		t.Errorf("the client secret is forgotten: %q", got)
	}
}

func bytesAs(format, s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

// Eight bytes in a row give a secret away, in whatever form and wherever they stand in it.
func TestCleanHidesPartsOfSecrets(t *testing.T) {
	t.Parallel()
	const own, token, other = "S3cr3t/with-Odd_Signs+in=it", "0pAque~Token.0123456789-abcDEF_ghi", "postgres-P4ssw0rd"
	s := newScrubber(own, other, "short")
	s.addToken(token)
	forms := map[string]func(string) string{
		"as it is": func(s string) string { return s }, "upper case": strings.ToUpper, "lower case": strings.ToLower,
		"percent": url.QueryEscape, "percent of all": func(s string) string { return bytesAs("%%%02X", s) },
		"json": func(s string) string { return bytesAs(`\u%04x`, s) }, "html": func(s string) string { return bytesAs("&#x%x;", s) },
		"hex": func(s string) string { return hex.EncodeToString([]byte(s)) }, "HEX": func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	}
	for _, secret := range []string{own, token, other} {
		for i := range len(secret) - windowSize {
			part := secret[i : i+windowSize]
			for name, form := range forms {
				got := s.clean("("+form(part)+")", nil)
				if got != "([secret])" {
					t.Errorf("%s of %q: %q", name, part, got)
				}
			}
			// In base64 it may stand anywhere, between anything.
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
				for _, before := range []string{"", "u", "id", "id:", "user:"} {
					encoded := encoding.EncodeToString([]byte(before + part + "xyz"))
					got := s.clean("("+encoded+")", nil)
					if !strings.Contains(got, "[secret]") || len(got) > len(encoded)+len("[secret]")-base64Window(windowSize)+2 {
						t.Errorf("base64 of %q behind %q: %q of %q", part, before, got, encoded)
					}
				}
			}
		}
	}
	for _, text := range []string{"a short word", "odd signs in it", "the database has no such token", "the registry is not available, try again later"} {
		if got := s.clean(text, nil); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func FuzzClean(f *testing.F) {
	const secret = "fuzzed#secret%value"
	for _, s := range []string{
		"", secret, url.QueryEscape(secret), `\u0066uzzed#secret%25value`, "ann@example.be", "+31612345678", "\xff\x00",
		strings.Repeat("é", 400), "&#102;uzzed", "%", `\`, `\u`, "&#", "&#x;", `\ud83d\ude00`,
	} {
		f.Add(s, "Peeters")
		f.Add("Peeters", s)
	}
	s := newScrubber(secret)
	f.Fuzz(func(t *testing.T, text, term string) {
		personal := newTerms([]string{term})
		for _, got := range []string{s.clean(text, nil), s.clean(text, personal), s.page([]byte(text), nil), s.clean(text+secret+text, nil)} {
			switch {
			case len(got) > MaxMessage:
				t.Errorf("%d bytes", len(got))
			case !utf8.ValidString(got):
				t.Errorf("%q is not UTF-8", got)
			case strings.Contains(got, secret):
				t.Errorf("%q holds the secret", got)
			case strings.ContainsFunc(got, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }):
				t.Errorf("%q holds a control character", got)
			case strings.Contains(got, "\n"):
				t.Errorf("%q has lines", got)
			}
		}
		// What is known to be personal is gone where it stands alone, however much else there is to hide.
		if len(personal) > 0 && len(term) < MaxMessage/2 {
			if got := s.clean("1 "+term+" 2", personal); got == bounded("1 "+term+" 2") || !strings.Contains(got, "[") {
				t.Errorf("%q is left in %q", term, got)
			}
		}
	})
}
