package domainname

import (
	"errors"
	"strings"
	"testing"
)

func TestExtraSuffixesAdmitNames(t *testing.T) {
	t.Parallel()
	s, err := ParseSuffixes("\uFEFF# sold privately\r\nco.nl, .UK.com;com.de # CentralNic\n*.name\nnewtld\n*.münchen.de\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.String(); got != "*.name,*.xn--mnchen-3ya.de,co.nl,com.de,newtld,uk.com" || s.Empty() {
		t.Errorf("read %q", got)
	}
	for raw, want := range map[string]string{
		"foo.co.nl": "foo.co.nl", "Foo.UK.COM.": "foo.uk.com", "bücher.com.de": "xn--bcher-kva.com.de", "jan.jansen.name": "jan.jansen.name",
		"jansen.name": "jansen.name", "foo.newtld": "foo.newtld", "foo.nl": "foo.nl", "foo.com": "foo.com", "co.uk.com": "co.uk.com",
		"a.b.münchen.de": "a.b.xn--mnchen-3ya.de",
		// refused
		"co.nl": "is a public suffix itself: give a domain under it, such as example.co.nl", "newtld": "is a public suffix itself",
		"www.foo.co.nl": "is a host under foo.co.nl: give foo.co.nl", "a.jan.jansen.name": "is a host under jan.jansen.name",
		"foo.br.com": "add br.com to EXTRA_SUFFIXES", "foo.other": "no known top-level domain", "foo.co.be": "is a host under co.be",
	} {
		name, err := s.Parse(raw)
		got := name.ASCII
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

// Whoever asks for a name under a suffix that is sold privately is told the setting, and never to buy another name.
func TestNoOtherNameIsAdvised(t *testing.T) {
	t.Parallel()
	for raw, suffix := range map[string]string{
		"foo.co.nl": "co.nl", "foo.uk.com": "uk.com", "foo.com.de": "com.de", "jan.jansen.name": "*.name", "foo.eu.org": "eu.org",
		"foo.co.com": "co.com", "foo.unlisted.nl": "unlisted.nl", "bücher.münchen.de": "münchen.de", "www.foo.co.nl": "co.nl",
	} {
		_, err := Parse(raw)
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Reason != ReasonHost || !strings.Contains(refusal.Text, "add "+suffix+" to EXTRA_SUFFIXES") ||
			strings.Contains(refusal.Text, "give ") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestSuffixesThatAreNone(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"co.nl,jan@b.nl": `"…@b.nl" is an e-mail address`, "*": `"*" `, "co..nl": "a dot too many", "*.*.name": "the character '*'", "onion": "is no suffix",
		"in-addr.arpa": "is no suffix", "192.0.2.1": "IP address", "a/b": "a path", "*.": "is empty", ".": "is empty",
	} {
		if s, err := ParseSuffixes(list); err == nil || !strings.Contains(err.Error(), want) || !s.Empty() {
			t.Errorf("%s: %v, want %s", list, err, want)
		}
	}
	if s, err := ParseSuffixes(" \n# nothing\n"); err != nil || !s.Empty() || s.String() != "" {
		t.Errorf("nothing: %v, %v", s, err)
	}
}

// FuzzSuffixes reads any list. What is read is the same when it is read again, and what it admits is a name of two labels or more
// that ends in one of them or is admitted anyway.
func FuzzSuffixes(f *testing.F) {
	f.Add("co.nl,*.name", "jan.jansen.name")
	f.Add("# x\n.uk.com", "foo.uk.com")
	f.Add("bücher", "a.bücher")
	f.Fuzz(func(t *testing.T, list, raw string) {
		s, err := ParseSuffixes(list)
		if err != nil {
			return
		}
		again, err := ParseSuffixes(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q became %q, %v", s, again, err)
		}
		name, err := s.Parse(raw)
		if err != nil {
			return
		}
		if twice, err := s.Parse(name.ASCII); err != nil || twice != name {
			t.Errorf("%q: %v became %v, %v", list, name, twice, err)
		}
		if _, plain := Parse(raw); plain == nil {
			return
		}
		extra, found := s.of(name.ASCII)
		if _, left, _ := strings.Cut(name.ASCII, "."); !found && !s.any[left] || found && left != extra {
			t.Errorf("%q admits %q", list, name.ASCII)
		}
	})
}
