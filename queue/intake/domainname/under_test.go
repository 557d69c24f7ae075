package domainname_test

import (
	"errors"
	"testing"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

func TestHostsUnderASuffix(t *testing.T) {
	t.Parallel()
	extra, err := domainname.ParseSuffixes("corp, *.name")
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		"example.nl": "example.nl", "Mail.Example.NL.": "mail.example.nl", "a.b.c.co.uk": "a.b.c.co.uk", "bücher.nl": "xn--bcher-kva.nl",
		"shop.blogspot.com": "shop.blogspot.com", "mail.acme.corp": "mail.acme.corp", "jan.jansen.name": "jan.jansen.name",
	} {
		if got, err := extra.ParseHostUnder(raw); err != nil || got.ASCII != want {
			t.Errorf("%s: %v, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]domainname.Reason{
		"nl": domainname.ReasonPublicSuffix, "co.uk": domainname.ReasonPublicSuffix, "corp": domainname.ReasonPublicSuffix, "localhost": domainname.ReasonNoDot,
		"example.nosuchtld": domainname.ReasonUnknownTLD, "x.onion": domainname.ReasonUnknownTLD, "1.2.3.4": domainname.ReasonIPAddress, "a..nl": domainname.ReasonEmptyLabel,
	} {
		_, err := extra.ParseHostUnder(raw)
		var refused *domainname.Error
		if !errors.As(err, &refused) || refused.Reason != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}
