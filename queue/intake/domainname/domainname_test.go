package domainname

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	tests := []struct{ raw, ascii, unicode string }{
		{"example.nl", "example.nl", "example.nl"},
		{"  Example.NL.\r\n", "example.nl", "example.nl"},
		{"123.nl", "123.nl", "123.nl"},
		{"a-b.co.uk", "a-b.co.uk", "a-b.co.uk"},
		{long + ".com", long + ".com", long + ".com"},
		{"Bücher.NL", "xn--bcher-kva.nl", "bücher.nl"},
		{"BÜCHER.NL", "xn--bcher-kva.nl", "bücher.nl"},
		{"bu\u0308cher.nl", "xn--bcher-kva.nl", "bücher.nl"}, // decomposed, as file names on a Mac are
		{"XN--BCHER-KVA.nl", "xn--bcher-kva.nl", "bücher.nl"},
		{"straße.de", "xn--strae-oqa.de", "straße.de"}, // non-transitional: not strasse.de
		{"xn--strae-oqa.de", "xn--strae-oqa.de", "straße.de"},
		{"ＥＸＡＭＰＬＥ．ｎｌ", "example.nl", "example.nl"},
		{"bücher。nl", "xn--bcher-kva.nl", "bücher.nl"},
		{"bücher｡nl。", "xn--bcher-kva.nl", "bücher.nl"},
		{"почта.рф", "xn--80a1acny.xn--p1ai", "почта.рф"},
		{"ΒΌΛΟς.com", "xn--nxasmm1c.com", "βόλος.com"},
		{"ΣΟΦΊΑ.com", "xn--kxae4bpq.com", "σοφία.com"}, // not a final sigma: no choice
		{"א1.com", "xn--1-zhc.com", "א1.com"},
		{"Ꭰ.com", "xn--58d.com", "Ꭰ.com"}, // Cherokee: IDNA2008 admits its capitals
		{"blogspot.com", "blogspot.com", "blogspot.com"},
		{"uk.com", "uk.com", "uk.com"},
		{"www.ck", "www.ck", "www.ck"}, // an exception to *.ck
	}
	for _, test := range tests {
		got, err := Parse(test.raw)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.raw, err)
		} else if want := (Name{ASCII: test.ascii, Unicode: test.unicode}); got != want {
			t.Errorf("Parse(%q) = %+v, want %+v", test.raw, got, want)
		}
		checkStable(t, got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	longName := strings.Repeat(strings.Repeat("a", 60)+".", 5) + "nl"
	tests := []struct {
		raw    string
		reason Reason
		text   string // a part of the error
	}{
		{"", ReasonEmpty, "is empty"},
		{" \t", ReasonEmpty, "is empty"},
		{".", ReasonEmpty, "is empty"},
		{"nl", ReasonPublicSuffix, "such as example.nl"},
		{"co.uk", ReasonPublicSuffix, `"co.uk" is a public suffix itself`},
		{"foo.ck", ReasonPublicSuffix, "public suffix"},
		{"xn--p1ai", ReasonPublicSuffix, "example.рф"},
		{"localhost", ReasonNoDot, "has no dot"},
		{"ck", ReasonNoDot, "has no dot"},
		{"example.nlx", ReasonUnknownTLD, "ends in .nlx"},
		{"example.onion", ReasonUnknownTLD, "nobody can register"},
		{"1.in-addr.arpa", ReasonUnknownTLD, "nobody can register"},
		{"www.example.nl", ReasonHost, `"www.example.nl" is a host under example.nl: give example.nl`},
		{"a.b.example.co.uk", ReasonHost, "give example.co.uk"},
		{"www.bücher.nl", ReasonHost, "give bücher.nl"},
		{"shop.blogspot.com", ReasonHost, "is under blogspot.com, which is run by its owner and not by the registry of .com"},
		{"https://example.nl/", ReasonURL, "give only the domain"},
		{"example.nl/shop", ReasonURL, "give only the domain"},
		{"example.nl:443", ReasonURL, "a port"},
		{"example．nl／shop", ReasonURL, "give only the domain"},
		{"jan@example.nl", ReasonEmail, "e-mail address"},
		{"192.0.2.1", ReasonIPAddress, "IP address"},
		{"192.0.2.1.", ReasonIPAddress, "IP address"},
		{"2001:db8::1", ReasonIPAddress, "IP address"},
		{"[2001:db8::1]", ReasonIPAddress, "IP address"},
		{"ex\xffample.nl", ReasonEncoding, "not UTF-8"},
		{"ex_ample.nl", ReasonCharacter, `the character '_'`},
		{"*.example.nl", ReasonCharacter, `the character '*'`},
		{"ex ample.nl", ReasonCharacter, "a space"},
		{"ex\x00ample.nl", ReasonCharacter, "U+0000"},
		{"ex\u00adample.nl", ReasonCharacter, "invisible character U+00AD"},
		{"\ufeffexample.nl", ReasonCharacter, "invisible character U+FEFF"},
		{"①.nl", ReasonCharacter, "U+2460"},
		{"ﬁets.nl", ReasonCharacter, "U+FB01"},
		{"example..nl", ReasonEmptyLabel, "a dot too many"},
		{".example.nl", ReasonEmptyLabel, "a dot too many"},
		{"example.nl..", ReasonEmptyLabel, "a dot too many"},
		{"-example.nl", ReasonHyphen, "hyphen"},
		{"example-.nl", ReasonHyphen, "hyphen"},
		{"ab--c.nl", ReasonHyphen, "third and fourth"},
		{strings.Repeat("a", 64) + ".nl", ReasonLabelTooLong, "64 bytes"},
		{strings.Repeat("ü", 60) + ".nl", ReasonLabelTooLong, "ASCII form"},
		{longName, ReasonTooLong, "253"},
		{strings.Repeat("a", 5000), ReasonTooLong, "253"},
		{"xn--abc.nl", ReasonPunycode, "does not decode"},
		{"xn--abc-.nl", ReasonPunycode, "does not decode"}, // plain ASCII in disguise
		{"xn--.nl", ReasonPunycode, "does not decode"},
		{"xn--\u00fc.nl", ReasonPunycode, "does not decode"},
		{"\u0301a.nl", ReasonIDN, "combining mark"},
		{"a\u200cb.nl", ReasonIDN, "joiner"},
		{"1א.nl", ReasonIDN, "right-to-left"},
		{"İstanbul.com", ReasonCapital, "write it in lower case"},
		{"STRAẞE.de", ReasonCapital, "ß or ss"},
		{"ΒΌΛΟΣ.com", ReasonCapital, "ς or σ"},
	}
	for _, test := range tests {
		name, err := Parse(test.raw)
		var refusal *Error
		if !errors.As(err, &refusal) {
			t.Errorf("Parse(%q) = %+v, %v; want an *Error", test.raw, name, err)
			continue
		}
		if name != (Name{}) || refusal.Reason != test.reason || !strings.Contains(err.Error(), test.text) {
			t.Errorf("Parse(%q) = %+v, %s: %v; want %s and %q", test.raw, name, refusal.Reason, err, test.reason, test.text)
		}
	}
}

func TestParseHost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		raw, want string
		reason    Reason
	}{
		{raw: "NS1.Example.NL.", want: "ns1.example.nl"},
		{raw: "a.b.c.example.internal", want: "a.b.c.example.internal"},
		{raw: "ns.bücher.nl", want: "ns.xn--bcher-kva.nl"},
		{raw: "ns1", reason: ReasonNoDot},
		{raw: "192.0.2.1", reason: ReasonIPAddress},
		{raw: "1.2.3.999", reason: ReasonIPAddress},
		{raw: "", reason: ReasonEmpty},
		{raw: "ns_1.example.nl", reason: ReasonCharacter},
	}
	for _, test := range tests {
		got, err := ParseHost(test.raw)
		var refusal *Error
		if errors.As(err, &refusal) {
			if refusal.Reason != test.reason {
				t.Errorf("ParseHost(%q): %s, want %q", test.raw, refusal.Reason, test.reason)
			}
		} else if got.ASCII != test.want || test.reason != "" {
			t.Errorf("ParseHost(%q) = %+v, want %q %s", test.raw, got, test.want, test.reason)
		}
	}
}

// An error may come from a file whose columns are in the wrong order, so it must not repeat what it should not.
func TestErrorKeepsSecretsOut(t *testing.T) {
	t.Parallel()
	tests := []struct{ raw, shown string }{
		{"jan.jansen@example.nl", "…@example.nl"},
		{"jan.jansen＠example.nl", "…@example.nl"},
		{"https://user:secret@example.nl/", "…@example.nl…"},
		{"https://user:se/cret@example.nl/", "…@example.nl…"},
		{"https://example.nl/?token=secret", "example.nl…"},
		{"Jansen\tKerkstraat 1", "Jansen…"},
		{strings.Repeat("é", 80) + ".nl", strings.Repeat("é", 48) + "…"},
		{"bad\xffname.nl", "bad\uFFFDname.nl"},
	}
	for _, test := range tests {
		_, err := Parse(test.raw)
		var refusal *Error
		if !errors.As(err, &refusal) {
			t.Errorf("Parse(%q): %v, want an *Error", test.raw, err)
		} else if refusal.Raw != test.shown || strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%q): %v shows %q, want %q", test.raw, err, refusal.Raw, test.shown)
		}
	}
}

func checkStable(t *testing.T, name Name) {
	t.Helper()
	for _, form := range []string{name.ASCII, name.Unicode} {
		if again, err := Parse(form); err != nil || again != name {
			t.Errorf("Parse(%q) = %+v, %v; want %+v again", form, again, err, name)
		}
	}
	if len(name.ASCII) > maxName || strings.Trim(name.ASCII, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
		t.Errorf("%q is not an ASCII domain", name.ASCII)
	}
	for label := range strings.SplitSeq(name.ASCII, ".") {
		if label == "" || len(label) > maxLabel {
			t.Errorf("%q has a label of %d bytes", name.ASCII, len(label))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"example.nl", "Bücher.NL.", "xn--bcher-kva.nl", "bücher。nl", "ΒΌΛΟΣ.com", "İ.com", "a\u200db.nl", "א1.com", "Ꭰ.com",
		"www.ck", "foo.ck", "shop.blogspot.com", "https://u:p@example.nl/x", "jan@example.nl", "[::1]", "1.2.3.4", "💩.la",
		"xn--.nl", "xn--abc-.nl", "ab--c.nl", "\ufeffa.nl", "a\xff.nl", strings.Repeat("ü.", 130) + "nl", "₩.com", "K.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, err := Parse(raw)
		if err == nil {
			checkStable(t, name)
			host, err := ParseHost(raw)
			if err != nil || host != name {
				t.Errorf("ParseHost(%q) = %+v, %v; want %+v", raw, host, err, name)
			}
			return
		}
		var refusal *Error
		if !errors.As(err, &refusal) || name != (Name{}) {
			t.Fatalf("Parse(%q) = %+v, %v; want nothing and an *Error", raw, name, err)
		}
		if refusal.Reason == "" || refusal.Text == "" || len(refusal.Raw) > maxRawShown || !utf8.ValidString(err.Error()) {
			t.Errorf("Parse(%q): unfit error %+v", raw, refusal)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, raw := range map[string]string{
		"plain": "hosting-klant-12345.nl", "capitals": "Example.NL", "idn": "bücher.nl", "punycode": "xn--bcher-kva.nl",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
