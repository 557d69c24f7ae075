package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

const orderOfAll = `domain,holder_id,period,nameservers,company,email,phone,street,housenumber,postalcode,city,country
a.nl,H1,12,ns1.x.nl ns2.x.nl
b.nl,H1,24,ns1.x.nl ns3.x.nl
c.co.uk,H2,24
d.com,,,,Bakkerij,b@x.nl,+31201234567,Markt,1,1000 AA,Dorp,NL
e.com,,,,Bakkerij,b@x.nl,+31201234567,Markt,1,1000 AA,Dorp,NL
f.com,,,,Slager,s@x.nl,+31201234567,Markt,1,1000 AA,Dorp,NL
g.de,H1,18
`

func TestThePlanShowsWhatIsBought(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	file := d.file("all.csv", orderOfAll)
	r := d.must(exitUsage, "enqueue", "register", file, "--order", "one", "--yes")
	if !strings.Contains(r.stderr, `line 8: period "18" is no whole number of years: it counts months, such as 12 or 24; --allow-period allows it`) {
		t.Errorf("a period of 18 months: %s", r.stderr)
	}
	r = d.must(exitUsage, "enqueue", "register", file, "--order", "one", "--yes", "--allow-period", "--max-domains", "6")
	if !strings.Contains(r.stderr, "the order has 7 domains, and --max-domains allows 6") {
		t.Errorf("too many: %s", r.stderr)
	}
	d.must(exitUsage, "enqueue", "register", file, "--order", "one", "--yes", "--allow-period", "--max-domains", "-1")
	d.empty()
	r = d.must(exitDone, "enqueue", "register", file, "--order", "one", "--yes", "--allow-period", "--max-domains", "7")
	want := `What is bought:
domains under  com 3, nl 2, co.uk 1, de 1
periods        1 year 4, 18 months 1, 2 years 2
holders        H1 3, H2 1, 3 with 2 holders given by details, found at the registrar or created
name servers   ns1.x.nl 2, ns2.x.nl 1, ns3.x.nl 1, none 5
`
	if !strings.Contains(r.stderr, want) {
		t.Errorf("got %s, want %s", r.stderr, want)
	}
	if strings.Contains(r.stderr, "b@x.nl") || strings.Contains(r.stderr, "Slager") {
		t.Errorf("it shows who they are: %s", r.stderr)
	}
}

func TestAnOrderOfManyIsShownInAFewLines(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var text strings.Builder
	text.WriteString("domain,holder_id,nameservers\n")
	for i := range 40 {
		fmt.Fprintf(&text, "a%d.nl,H%d,ns1.x%d.nl ns2.x%d.nl\n", i, i, i, i)
	}
	r := d.must(exitUsage, "enqueue", "register", d.file("many.csv", text.String()), "--order", "one")
	for _, want := range []string{"H16 1, H17 1, 30 with 30 other holders\n", "70 with 70 other name servers\n"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is not in %s", want, r.stderr)
		}
	}
}

func TestADryRunTellsOfEachDomain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	upstream := playRegistrar(t, d)
	var names strings.Builder
	var order []string
	for i := range 30 {
		name := fmt.Sprintf("%s-%d.nl", []string{"free", "taken", "premium"}[i%3], i)
		names.WriteString(name + "\n")
		order = append(order, name)
	}
	if _, err := upstream.Inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindGzip, Count: sandbox.Always}); err != nil {
		t.Fatal(err)
	}
	file := d.file("names", names.String())
	base := []string{"enqueue", "register", file, "--holder", "demo-holder", "--order", "one", "--dry-run"}

	type found struct {
		New, Available, Taken int
		Domains               []whoisAnswer
		Holders               []foundHolder
	}
	r := d.must(exitDone, append(base, "-o", "json")...)
	whole := parsed[found](t, r.stdout)
	if whole.New != 30 || whole.Taken != 10 || len(whole.Domains) != 30 || !whole.Domains[2].Barred || len(whole.Holders) != 1 {
		t.Errorf("got %s", r.stdout)
	}
	var told []string
	for _, answer := range whole.Domains {
		told = append(told, answer.Domain)
	}
	if diff := cmp.Diff(order, told); diff != "" {
		t.Errorf("not in the order of the file: %s", diff)
	}

	csvFile, jsonFile := filepath.Join(d.folder, "found.csv"), filepath.Join(d.folder, "found.ndjson")
	r = d.must(exitDone, append(base, "--out", csvFile)...)
	if !strings.HasPrefix(r.stdout, "New        30\n") {
		t.Errorf("the domains are on standard output, too: %s", r.stdout)
	}
	lines := strings.Split(d.read(csvFile), "\n")
	if len(lines) != 32 || lines[0] != "domain,whois,registrar_says,barred" || lines[2] != `"taken-1.nl",taken,"active",false` || lines[3] != `"premium-2.nl",available,"premium, 1200.00 EUR",true` {
		t.Errorf("got %q", lines)
	}
	if info, err := os.Stat(csvFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	r = d.must(exitDone, append(base, "--out", jsonFile, "-o", "json")...)
	if got := parsed[found](t, r.stdout); len(got.Domains) != 0 || got.New != 30 {
		t.Errorf("got %s", r.stdout)
	}
	if lines := strings.Split(d.read(jsonFile), "\n"); len(lines) != 31 || lines[1] != `{"domain":"taken-1.nl","availability":"taken","status":"active"}` {
		t.Errorf("got %q", lines)
	}
	for _, tc := range [][]string{append(base, "--out", csvFile), append(base, "--out", "-"), append(base[:len(base)-1:len(base)-1], "--out", "x", "--yes"), append(base, "--out", d.folder)} {
		if r := d.run(tc...); r.status != exitUsage {
			t.Errorf("%q: status %d: %s", tc, r.status, r.stderr)
		}
	}
	d.empty()
}

// finding counts how often each holder is looked up.
type finding struct{ asked map[string]int }

func (f *finding) FindHolder(_ context.Context, search registrar.HolderSearch) (registrar.HolderReply, error) {
	f.asked[search.ID+search.Email]++
	switch search.ID + search.Email {
	case "H2", "s@x.nl":
		return registrar.HolderReply{Answer: registrar.Answer{Status: 404}}, errors.New("not found")
	case "H3":
		return registrar.HolderReply{}, errors.New("broken")
	}
	return registrar.HolderReply{}, nil
}

func TestEachHolderIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	playRegistrar(t, d)
	r := d.must(exitDone, "enqueue", "register", d.file("all.csv", orderOfAll), "--order", "one", "--dry-run", "--allow-period", "-o", "json")
	type result struct{ Holders []foundHolder }
	want := []foundHolder{{ID: "H1", Result: "not found"}, {ID: "H2", Result: "not found"}, {Result: "not found", Holders: 2}}
	if diff := cmp.Diff(want, parsed[result](t, r.stdout).Holders); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(r.stdout+r.stderr, "@") {
		t.Errorf("it shows who they are: %s%s", r.stdout, r.stderr)
	}

	upstream := &finding{asked: map[string]int{}}
	var many iter.Seq2[intake.WantedHolder, error] = func(yield func(intake.WantedHolder, error) bool) {
		for i := range maxLookUps + 5 {
			if !yield(intake.WantedHolder{ID: fmt.Sprint("H", i)}, nil) {
				return
			}
		}
	}
	var notes strings.Builder
	got, err := lookUpHolders(t.Context(), upstream, many, &notes)
	if err != nil || len(got) != maxLookUps || got[2].Result != holderMissing || got[3].Result != holderUnknown || got[4].Result != holderFound {
		t.Errorf("%d, %v", len(got), err)
	}
	if notes.String() != "1,000 holders were looked up, and 5 not\n" || len(upstream.asked) != maxLookUps {
		t.Errorf("notes %q", notes.String())
	}
}

// answering is a registrar that answers one call later than the next.
type answering struct{ slow chan struct{} }

func (a answering) CheckBulk(ctx context.Context, domains []string, _ ...registrar.Holder) (registrar.CheckReply, error) {
	if domains[0] == "d0.nl" {
		select {
		case <-a.slow:
		case <-ctx.Done():
			return registrar.CheckReply{}, ctx.Err()
		}
	} else if domains[0] == "d1.nl" {
		close(a.slow)
	}
	var reply registrar.CheckReply
	for _, domain := range domains {
		reply.Checks = append(reply.Checks, registrar.Check{Domain: domain, Availability: registrar.Available})
	}
	return reply, nil
}

func wantedDomains(n int) iter.Seq2[intake.Wanted, error] {
	return func(yield func(intake.Wanted, error) bool) {
		for i := range n {
			if !yield(intake.Wanted{Domain: fmt.Sprintf("d%d.nl", i)}, nil) {
				return
			}
		}
	}
}

func TestChecksAreToldInTheirOrder(t *testing.T) {
	t.Parallel()
	for range 50 {
		var told []string
		c := checks{upstream: answering{make(chan struct{})}, batch: 1, calls: 3, notes: io.Discard, tell: func(answers []whoisAnswer) error {
			told = append(told, answers[0].Domain)
			return nil
		}}
		if err := c.run(t.Context(), wantedDomains(20)); err != nil {
			t.Fatal(err)
		}
		for i, domain := range told {
			if want := fmt.Sprintf("d%d.nl", i); domain != want {
				t.Fatalf("%s comes where %s should", domain, want)
			}
		}
		if len(told) != 20 {
			t.Fatalf("%d told", len(told))
		}
	}
}

func TestChecksEndWhereTheyCannotBeTold(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	c := checks{upstream: answering{make(chan struct{})}, batch: 1, calls: 3, notes: io.Discard, tell: func([]whoisAnswer) error { return full }}
	if err := c.run(t.Context(), wantedDomains(1000)); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c = checks{upstream: answering{make(chan struct{})}, batch: 1, calls: 3, notes: io.Discard}
	if err := c.run(ctx, wantedDomains(1000)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
