package sandbox_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// paidLater waits until nothing is to be carried out any more, and tells what was paid for.
func (b *bench) paidLater() []string {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); b.Ledger().Later > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatal("what was promised is not kept")
		}
	}
	return b.Ledger().PaidDomains()
}

// accepted are the items of the ledger that were answered as accepted.
func (b *bench) accepted() []string {
	var names []string
	for _, r := range b.Ledger().Received(sandbox.OpRegister) {
		if r.Accepted {
			names = append(names, r.Domain)
		}
	}
	return names
}

func TestCallsThatAreOnlyAccepted(t *testing.T) {
	t.Parallel()
	all := []string{"a.nl", "b.nl", "refused-1.nl"}
	for name, tc := range map[string]struct {
		fault          sandbox.Fault
		accepted, paid []string
		says           string
	}{
		"no effect":          {sandbox.Fault{}, all, nil, "to be carried out later"},
		"effect later":       {sandbox.Fault{Effect: sandbox.EffectLate, Delay: time.Millisecond}, all, all[:2], "to be carried out later"},
		"effect at once":     {sandbox.Fault{Effect: sandbox.EffectAll}, all[:2], all[:2], `"registered"`},
		"and with few words": {sandbox.Fault{Effect: sandbox.EffectAll, Message: "thanks"}, all, all[:2], "thanks"},
		"of some":            {sandbox.Fault{Effect: sandbox.EffectFirst, K: 1}, all, all[:1], `"a.nl"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "ledger")
			b := setup(t, sandbox.Options{LedgerPath: path})
			tc.fault.Op, tc.fault.Kind = sandbox.OpRegister, sandbox.KindAccepted
			fault := b.inject(tc.fault)
			r := b.must("POST", "/domain/bulk", registerBody(all...))
			if r.status != 202 || !strings.Contains(string(r.body), tc.says) || fault.Fired() != 1 {
				t.Errorf("%d %s, fired %d", r.status, r.body, fault.Fired())
			}
			paid := b.paidLater()
			if !slices.Equal(paid, tc.paid) || !slices.Equal(b.accepted(), tc.accepted) {
				t.Errorf("paid %q, accepted %q; want %q and %q", paid, b.accepted(), tc.paid, tc.accepted)
			}
			want := b.Ledger()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			next, err := sandbox.New(sandbox.Options{LedgerPath: path})
			if err != nil {
				t.Fatal(err)
			}
			defer next.Close()
			if diff := cmp.Diff(roundTrip(t, want), roundTrip(t, next.Ledger()), cmpopts.IgnoreUnexported(sandbox.Ledger{})); diff != "" {
				t.Errorf("ledger read again (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("WHOIS", func(t *testing.T) {
		t.Parallel()
		b := setup(t, sandbox.Options{})
		b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindAccepted, Effect: sandbox.EffectLate})
		if r := b.whois("a.nl"); r.status != 202 || b.Ledger().Later != 0 {
			t.Errorf("%d %s, later %d", r.status, r.body, b.Ledger().Later)
		}
	})
}

func TestItemsThatArePending(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault   sandbox.Fault // without a kind: none
		domains []string
		status  []string
		paid    []string
	}{
		"never":          {sandbox.Fault{Kind: sandbox.KindPending, Items: 2}, []string{"a.nl", "b.nl", "c.nl"}, []string{"pending", "pending", "registered"}, []string{"c.nl"}},
		"later":          {sandbox.Fault{Kind: sandbox.KindPending, Effect: sandbox.EffectLate, Word: "scheduled"}, []string{"a.nl", "b.nl"}, []string{"scheduled", "registered"}, []string{"a.nl", "b.nl"}},
		"done already":   {sandbox.Fault{Kind: sandbox.KindPending, Effect: sandbox.EffectAll, Word: "processing"}, []string{"a.nl"}, []string{"processing"}, []string{"a.nl"}},
		"only good ones": {sandbox.Fault{Kind: sandbox.KindPending}, []string{"taken-1.nl", "a.nl"}, []string{"failed", "pending"}, nil},
		"by label":       {sandbox.Fault{}, []string{"pending-1.nl", "pendingonly-1.nl", "a.nl"}, []string{"pending", "pending", "registered"}, []string{"a.nl", "pending-1.nl"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{LagTime: time.Millisecond})
			if tc.fault.Kind != "" {
				tc.fault.Op = sandbox.OpRegister
				b.inject(tc.fault)
			}
			r := b.must("POST", "/domain/bulk", registerBody(tc.domains...))
			var accepted []string
			for i, d := range tc.domains {
				got := r.result(t, d).Status
				if got != tc.status[i] {
					t.Errorf("%s is %q, want %q", d, got, tc.status[i])
				}
				if got != "registered" && got != "failed" {
					accepted = append(accepted, d)
				}
			}
			if paid := b.paidLater(); !slices.Equal(paid, tc.paid) || !slices.Equal(b.accepted(), accepted) {
				t.Errorf("paid %q, accepted %q; want %q and %q", paid, b.accepted(), tc.paid, accepted)
			}
		})
	}
}

// Whoever sends again what is pending may pay twice.
func TestResendOfWhatIsPending(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindPending, Effect: sandbox.EffectLate, Delay: 30 * time.Millisecond})
	b.register("a.nl")
	b.register("a.nl")
	b.paidLater()
	if l := b.Ledger(); l.Paid("a.nl") != 2 || len(l.Resends()) != 1 {
		t.Errorf("paid %d times, resends %v", l.Paid("a.nl"), l.Resends())
	}
}

func TestClosingDropsWhatWasPromised(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{LagTime: time.Hour})
	b.register("pending-1.nl")
	if later := b.Ledger().Later; later != 1 {
		t.Errorf("%d to come, want 1", later)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if paid := b.Ledger().PaidDomains(); len(paid) > 0 {
		t.Errorf("paid %q", paid)
	}
}

func TestWhatWhoisSaysBesideAvailable(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	r := b.whois("premium-1.nl", "reserved-1.nl", "quarantine-1.nl", "priced-1.nl", "a.nl")
	for domain, want := range map[string]string{
		"premium-1.nl":    `{"domain":"premium-1.nl","available":true,"status":"premium","premium":true,"price":"1200.00","currency":"EUR"}`,
		"reserved-1.nl":   `{"domain":"reserved-1.nl","available":true,"status":"reserved"}`,
		"quarantine-1.nl": `{"domain":"quarantine-1.nl","available":true,"status":"quarantine"}`,
		"priced-1.nl":     `{"domain":"priced-1.nl","available":true,"status":"free","price":"49.00","currency":"EUR"}`,
		"a.nl":            `{"domain":"a.nl","available":true,"status":"free"}`,
	} {
		if !strings.Contains(string(r.body), want) {
			t.Errorf("%s: no %s in %s", domain, want, r.body)
		}
	}
	b.register("premium-1.nl")
	if l := b.whois("premium-1.nl").result(t, "premium-1.nl"); *l.Available || l.Status != "active" {
		t.Errorf("registered, and %+v", l)
	}
}

func TestCompressedReply(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindGzip})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/whois/a.nl", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+b.jwt)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	r, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if coding := r.Header.Get("Content-Encoding"); coding != "gzip" {
		t.Fatalf("the reply comes as %q", coding)
	}
	zip, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(body) || !strings.Contains(string(body), "a.nl") {
		t.Errorf("got %q", body)
	}
}

func TestOddStatusCodes(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindOddCode, Items: 2})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindOddCode, Code: `"-1"`})
	r := b.must("POST", "/domain/bulk", registerBody("a.nl", "b.nl", "refused-1.nl"))
	if n := strings.Count(string(r.body), `"statusCode":99999999999`); n != 2 {
		t.Errorf("%d odd codes in %s", n, r.body)
	}
	r = b.must("POST", "/domain", map[string]string{"domain": "c.nl", "domainholder_id": sandbox.DefaultHolder})
	if !strings.Contains(string(r.body), `"statusCode":"-1"`) {
		t.Errorf("got %s", r.body)
	}
	if paid := b.Ledger().PaidDomains(); !slices.Equal(paid, []string{"a.nl", "b.nl", "c.nl"}) {
		t.Errorf("paid %q", paid)
	}
}

// Answers have fields left out, renamed or added, in each of their objects.
func TestOtherFields(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]sandbox.Fault{
		`{"results":[{"domain":"a.nl","status":"free"}]}`: {Kind: sandbox.KindDropField, Field: "available"},
		`{"items":[{"available":true,"domain":"a.nl","status":"free"}]}`: {
			Kind: sandbox.KindRenameField, Field: "results", Word: "items"},
		`{"results":[{"available":true,"domain":"a.nl","status":"free","term":{"a":1}}]}`: {
			Kind: sandbox.KindAddField, Field: "term", Code: `{"a":1}`},
	} {
		b := setup(t, sandbox.Options{})
		f.Op = sandbox.OpWhois
		fault := b.inject(f)
		r := b.must("POST", "/whois", map[string][]string{"domains": {"a.nl"}})
		if string(r.body) != want || fault.Fired() != 1 {
			t.Errorf("%+v: got %s, want %s", f, r.body, want)
		}
	}
}

// Everything under one suffix is refused in the same words.
func TestRefusedBySuffix(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	fault := b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindRefuse, Suffix: "be", Count: sandbox.Always, Message: "no contract for .be"})
	b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindRefuse, Suffix: ".de", Message: "no answer for .de"})
	r := b.must("POST", "/domain/bulk", registerBody("a.nl", "b.be", "c.be", "be.nl"))
	for domain, want := range map[string]line{
		"a.nl": {Status: "registered"}, "be.nl": {Status: "registered"},
		"b.be": {Status: "failed", StatusCode: 422, Message: "no contract for .be"}, "c.be": {Status: "failed", StatusCode: 422, Message: "no contract for .be"},
	} {
		if want.Domain = domain; !cmp.Equal(r.result(t, domain), want) {
			t.Errorf("got %+v, want %+v", r.result(t, domain), want)
		}
	}
	b.register("d.nl") // not a call of the fault
	if fault.Fired() != 1 {
		t.Errorf("fired %d times, want 1", fault.Fired())
	}
	checks := b.whois("a.de", "b.nl")
	if checks.result(t, "a.de").Error != "no answer for .de" || checks.result(t, "b.nl").Available == nil {
		t.Errorf("got %s", checks.body)
	}
}

// A result that nobody asked for says registered, whatever became of the others.
func TestExtraRegistrationsSucceed(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindExtra})
	r := b.must("POST", "/domain/bulk", registerBody("refused-1.nl", "refused-2.nl"))
	if got := r.result(t, "nobody-asked-1.example"); got.Status != "registered" || got.StatusCode != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestNewFaultsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	for reason, f := range map[string]sandbox.Fault{
		"needs op \"register\"":            {Op: sandbox.OpWhois, Kind: sandbox.KindPending},
		"the effect none, all or late":     {Op: sandbox.OpRegister, Kind: sandbox.KindPending, Effect: sandbox.EffectFirst, K: 1},
		"needs op \"whois\" or \"register": {Op: sandbox.OpHolder, Kind: sandbox.KindRefuse},
		"give 400 to 599":                  {Op: sandbox.OpRegister, Kind: sandbox.KindRefuse, Status: 200},
		"is no JSON":                       {Op: sandbox.OpRegister, Kind: sandbox.KindOddCode, Code: "1,2"},
		"needs a field":                    {Op: sandbox.OpWhois, Kind: sandbox.KindDropField},
		"also a word":                      {Op: sandbox.OpWhois, Kind: sandbox.KindRenameField, Field: "status"},
		"effect is all or late":            {Op: sandbox.OpRegister, Kind: sandbox.KindGzip, Effect: sandbox.EffectNone},
	} {
		if _, err := b.Inject(f); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v, want %q", f, err, reason)
		}
	}
}
