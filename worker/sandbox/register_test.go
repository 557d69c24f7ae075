package sandbox_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestRegisterLabels(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{Taken: []string{"theirs.nl"}})
	cases := map[string]int{ // domain: the item's statusCode, 0 for registered
		"plain.nl":       0,
		"whoispoison.nl": 0,
		"unknown-1.nl":   0,
		"theirs.nl":      422,
		"taken-1.nl":     422,
		"refused-1.nl":   422,
		"flaky-1.nl":     500,
		"bad_name.nl":    422,
	}
	names := make([]string, 0, len(cases))
	for d := range cases {
		names = append(names, d)
	}
	got := b.register(names...)
	for d, code := range cases {
		l := got.result(t, d)
		if code == 0 && l.Status != "registered" || code != 0 && (l.Status != "failed" || l.StatusCode != code || l.Message == "") {
			t.Errorf("%s: %+v", d, l)
		}
		b.wantPaid(d, map[bool]int{true: 1, false: 0}[code == 0])
	}
	if l := b.register("flaky-1.nl").result(t, "flaky-1.nl"); l.Status != "registered" {
		t.Errorf("flaky the second time: %+v", l)
	}
}

func TestRegisterWholeCallFails(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	cases := map[string]int{"poison-1.nl": 422, "badreq-1.nl": 400}
	for d, status := range cases {
		b.wantError(b.register("good.nl", d), status)
		b.wantError(b.must("POST", "/domain", map[string]any{"domain": d, "domainholder_id": sandbox.DefaultHolder}), status)
	}
	b.wantPaid("good.nl", 0)
	if n := len(b.Ledger().Sends("good.nl")); n != 2 {
		t.Errorf("the ledger has %d sends, want 2", n)
	}
}

func TestRegisterSingle(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	body := map[string]any{"domain": "one.nl", "domainholder_id": sandbox.DefaultHolder, "period": 12, "nameservers": []string{"ns1.one.nl"}}
	if r := b.must("POST", "/domain", body); r.status != 200 || r.json(t)["status"] != "registered" {
		t.Errorf("%d %s", r.status, r.body)
	}
	b.wantError(b.must("POST", "/domain", body), http.StatusUnprocessableEntity)
	b.wantPaid("one.nl", 1)
	body["domain"], body["domainholder_id"] = "two.nl", "nobody"
	b.wantError(b.must("POST", "/domain", body), http.StatusNotFound)
	body["domainholder_id"], body["period"] = sandbox.DefaultHolder, 0
	b.wantError(b.must("POST", "/domain", body), http.StatusUnprocessableEntity)
}

func TestRegisterBadInput(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	cases := map[string]any{
		"no domains":    map[string]any{},
		"empty list":    map[string]any{"domains": []any{}},
		"null":          nil,
		"wrong type":    map[string]any{"domains": "a.nl"},
		"no holder":     map[string]any{"domains": []any{map[string]any{"domain": "a.nl"}}},
		"no domain":     map[string]any{"domains": []any{map[string]any{"domainholder_id": "demo-holder"}}},
		"unknown field": map[string]any{"domains": []any{map[string]any{"domain": "a.nl", "holder": "demo-holder"}}},
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) { b.wantError(b.must("POST", "/domain/bulk", body), http.StatusBadRequest) })
	}
	b.wantPaid("a.nl", 0)
}

func TestSecondSendIsSeen(t *testing.T) {
	t.Parallel()
	for _, twice := range []bool{false, true} {
		t.Run(fmt.Sprintf("charge twice %v", twice), func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{ChargeTwice: twice})
			b.register("a.nl")
			second := b.register("A.NL", "b.nl").result(t, "a.nl")
			l := b.Ledger()
			if resends := l.Resends(); len(resends) != 1 || resends[0].Domain != "a.nl" || resends[0].Raw != "A.NL" {
				t.Errorf("resends %+v", resends)
			}
			if !twice && (second.StatusCode != 422 || l.Paid("a.nl") != 1 || len(l.AllPaidTwice()) != 0) {
				t.Errorf("%+v, paid %d", second, l.Paid("a.nl"))
			}
			if twice && (second.Status != "registered" || l.Paid("a.nl") != 2 || !slices.Equal(l.AllPaidTwice(), []string{"a.nl"})) {
				t.Errorf("%+v, paid %d", second, l.Paid("a.nl"))
			}
		})
	}
}

func TestSecondSendIsSeenAlthoughNothingWasDone(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.register("a.nl")
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 500})
	b.wantError(b.register("a.nl"), 500)
	if n := len(b.Ledger().Resends()); n != 1 {
		t.Errorf("%d resends, want 1", n)
	}
}

func TestSameDomainTwiceInOneCall(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.register("a.nl", "a.nl")
	b.wantPaid("a.nl", 1)
	if n := len(b.Ledger().Resends()); n != 1 {
		t.Errorf("%d resends, want 1", n)
	}
	poor := setup(t, sandbox.Options{})
	if err := poor.SetBalance(sandbox.DefaultClientID, 0); err != nil {
		t.Fatal(err)
	}
	poor.wantError(poor.register("a.nl", "a.nl"), http.StatusPaymentRequired)
	if n := len(poor.Ledger().Resends()); n != 0 {
		t.Errorf("%d resends of a domain nobody paid for", n)
	}
}

func TestMoney(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		balance  int
		partial  bool
		noDebit  bool
		status   int
		paid     int
		balanced int
	}{
		{"enough", 3, false, false, 200, 3, 0},
		{"unlimited", sandbox.Unlimited, false, false, 200, 3, sandbox.Unlimited},
		{"short", 2, false, false, 402, 0, 2},
		{"short, partial", 2, true, false, 402, 2, 0},
		{"no direct debit", 5, true, true, 402, 0, 5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{PartialOn402: c.partial, Accounts: map[string]sandbox.Account{
				"shop": {Secret: "s", Balance: c.balance, DirectDebit: !c.noDebit},
				"rich": {Secret: "r", Balance: sandbox.Unlimited, DirectDebit: true},
			}})
			b.jwt = b.authenticate("shop", "s")
			r := b.register("taken-1.nl", "a.nl", "b.nl", "c.nl")
			if r.status != c.status {
				t.Errorf("status %d, want %d", r.status, c.status)
			}
			if c.status == http.StatusPaymentRequired {
				b.wantError(r, c.status)
			}
			if got := b.Ledger().PaidDomains(); len(got) != c.paid {
				t.Errorf("paid %v, want %d", got, c.paid)
			}
			if got, err := b.Balance("shop"); err != nil || got != c.balanced {
				t.Errorf("balance %d, %v, want %d", got, err, c.balanced)
			}
			b.jwt = b.authenticate("rich", "r")
			if r := b.register("rich.nl"); r.status != 200 {
				t.Errorf("one account's money stopped another: %d", r.status)
			}
		})
	}
}

func TestToppedUpAccountPaysAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	if err := b.SetBalance(sandbox.DefaultClientID, 0); err != nil {
		t.Fatal(err)
	}
	b.wantError(b.register("a.nl"), 402)
	if r := b.whois("a.nl"); r.status != 200 {
		t.Errorf("WHOIS stopped for want of money: %d", r.status)
	}
	if err := b.SetBalance(sandbox.DefaultClientID, 1); err != nil {
		t.Fatal(err)
	}
	b.register("a.nl")
	b.wantPaid("a.nl", 1)
	if err := b.SetBalance("nobody", 1); err == nil {
		t.Error("an unknown account got money")
	}
}

func TestConcurrentRegistrationsPayOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprintf("d%d.nl", i)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			b.whois(names...)
			b.register(names...)
			b.Ledger()
		})
	}
	group.Wait()
	l := b.Ledger()
	if twice := l.AllPaidTwice(); len(twice) != 0 || len(l.PaidDomains()) != len(names) {
		t.Errorf("paid twice: %v; paid: %d", twice, len(l.PaidDomains()))
	}
	if n := len(l.Resends()); n != 7*len(names) {
		t.Errorf("%d resends, want %d", n, 7*len(names))
	}
	if l.Counts[sandbox.OpRegister] != 8 || l.Counts[sandbox.OpWhois] != 8 {
		t.Errorf("counts %v", l.Counts)
	}
}
