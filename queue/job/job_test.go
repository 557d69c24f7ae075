package job_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/queue/job"
)

func TestJobsAreBroughtIntoOneForm(t *testing.T) {
	t.Parallel()
	given := job.Fields{
		Domain: " BÜCHER.nl. ", HolderID: "H-1", PeriodMonths: 120, Nameservers: []string{"NS1.Example.NL.", "ns.bücher.nl"},
		AllowStatus: []string{"Premium"},
	}
	name := domainname.Name{ASCII: "xn--bcher-kva.nl", Unicode: "bücher.nl"}
	for kind, want := range map[queue.Kind]job.Job{
		queue.Whois: {Domain: name},
		queue.Register: {Domain: name, HolderID: "H-1", PeriodMonths: 120, Nameservers: []string{"ns1.example.nl", "ns.xn--bcher-kva.nl"},
			AllowStatus: []string{"premium"}},
	} {
		if got, err := given.Check(kind); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
	least := job.Fields{Domain: "a.nl", HolderID: "H"}
	if got, err := least.Check(queue.Register); err != nil || got.PeriodMonths != 0 || got.Nameservers != nil {
		t.Errorf("the least: %+v, %v", got, err)
	}
}

func TestFieldsThatBreakARule(t *testing.T) {
	t.Parallel()
	hosts := func(n int) (list []string) {
		for i := range n {
			list = append(list, "ns"+strings.Repeat("1", i+1)+".example.nl")
		}
		return list
	}
	for want, change := range map[string]func(*job.Fields){
		`domain "www.a.nl" is a host under a.nl: give a.nl`:            func(f *job.Fields) { f.Domain = "www.a.nl" },
		`domain "…@a.nl" is an e-mail address`:                         func(f *job.Fields) { f.Domain = "jan@a.nl" },
		"holder_id is missing":                                         func(f *job.Fields) { f.HolderID = "" },
		"holder_id is an e-mail address: give the holder's id":         func(f *job.Fields) { f.HolderID = "jan@a.nl" },
		"holder_id is longer than 128 bytes":                           func(f *job.Fields) { f.HolderID = strings.Repeat("H", 129) },
		"holder_id has a space or an invisible character":              func(f *job.Fields) { f.HolderID = "H 1" },
		"holder_id has a space or an invisible character in it":        func(f *job.Fields) { f.HolderID = "H\x00" },
		"holder_id has a space or an invisible character in it: give":  func(f *job.Fields) { f.HolderID = "H\xff" },
		"period is no period: give 1 to 120 months, or leave it out":   func(f *job.Fields) { f.PeriodMonths = 121 },
		"period is no period: give 1 to 120 months":                    func(f *job.Fields) { f.PeriodMonths = -1 },
		"nameservers lists 1: give 2 to 13 name servers, or none":      func(f *job.Fields) { f.Nameservers = hosts(1) },
		"nameservers lists 14: give 2 to 13 name servers, or none":     func(f *job.Fields) { f.Nameservers = hosts(14) },
		"allow_status has a word that is":                              func(f *job.Fields) { f.AllowStatus = []string{strings.Repeat("x", 65)} },
		`nameservers "ns1.a.nl" is there twice: keep one`:              func(f *job.Fields) { f.Nameservers = []string{"ns1.a.nl", "NS1.a.nl."} },
		`nameservers "192.0.2.1" is an IP address, not a name`:         func(f *job.Fields) { f.Nameservers = []string{"ns1.a.nl", "192.0.2.1"} },
		`nameservers "localhost" has no dot: give the whole host name`: func(f *job.Fields) { f.Nameservers = []string{"ns1.a.nl", "localhost"} },
		"holder_id is what a spreadsheet shows instead of a value":     func(f *job.Fields) { f.HolderID = "#N/A" },
		"holder_id is what a spreadsheet shows instead":                func(f *job.Fields) { f.HolderID = "=A2" },
		"holder_id is a number that a spreadsheet has rounded":         func(f *job.Fields) { f.HolderID = "1.23457E+11" },
		"holder_id is a word or a sign for no value":                   func(f *job.Fields) { f.HolderID = "NULL" },
		"holder_id begins with the apostrophe":                         func(f *job.Fields) { f.HolderID = "'00123" },
		"holder_id is missing: a registration needs the id of its holder; period is no period: give 1 to 120 months, or leave it out; nameservers lists 1": func(f *job.Fields) {
			f.HolderID, f.PeriodMonths, f.Nameservers = "", 121, []string{"ns1.a.nl"}
		},
		`nameservers "localhost" has no dot: give the whole host name, such as ns1.example.nl; allow_status has a word`: func(f *job.Fields) {
			f.Nameservers, f.AllowStatus = []string{"ns1.a.nl", "localhost"}, []string{strings.Repeat("x", 65)}
		},
	} {
		f := job.Fields{Domain: "a.nl", HolderID: "H-1"}
		change(&f)
		got, err := f.Check(queue.Register)
		var broken *job.Error
		if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", f, err, want)
			continue
		}
		if domainIsBad := broken.Field == "domain"; domainIsBad != (got.Domain.ASCII == "") || domainIsBad != errors.As(err, new(*domainname.Error)) && broken.Field != "nameservers" {
			t.Errorf("%+v: the domain is %q, %v", f, got.Domain.ASCII, err)
		}
	}
	for _, n := range []int{job.MinNameservers, job.MaxNameservers} {
		if got, err := job.Nameservers(hosts(n)); err != nil || !slices.Equal(got, hosts(n)) {
			t.Errorf("%d name servers: %v, %v", n, got, err)
		}
	}
}

func TestRulesAreWidenedBySuffixes(t *testing.T) {
	t.Parallel()
	suffixes, err := domainname.ParseSuffixes("co.nl")
	if err != nil {
		t.Fatal(err)
	}
	f := job.Fields{Domain: "foo.co.nl"}
	if got, err := (job.Rules{Suffixes: suffixes}).Check(f, queue.Whois); err != nil || got.Domain.ASCII != "foo.co.nl" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := f.Check(queue.Whois); err == nil || !strings.Contains(err.Error(), "EXTRA_SUFFIXES") {
		t.Errorf("without them: %v", err)
	}
}

func TestHolderDetails(t *testing.T) {
	t.Parallel()
	whole := holder.Details{
		FirstName: "Jan", LastName: "Jansen", Email: "jan@example.nl", Phone: "+31 6 12345678", Street: "Straat", HouseNumber: "1",
		PostalCode: "1234 AB", City: "Utrecht", Country: "nl",
	}
	if got, err := job.HolderDetails(whole); err != nil || got.Phone != "+31612345678" || got.Country != "NL" {
		t.Errorf("%v, %v", got.Phone, err)
	}
	whole.Phone = "06 87654321"
	_, err := job.HolderDetails(whole)
	var broken *job.Error
	if !errors.As(err, &broken) || broken.Field != "phone" || broken.Raw != "" || strings.Contains(err.Error(), "87654321") {
		t.Errorf("error is %v", err)
	}
}
