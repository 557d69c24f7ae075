package sandbox_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestRemote(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	remote, ctx := sandbox.Remote{BaseURL: b.url + "/"}, t.Context()

	id, err := remote.Inject(ctx, sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 503, RetryAfter: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if r := b.register("a.nl"); r.status != 503 || r.header.Get("Retry-After") != "2" {
		t.Errorf("%d %v", r.status, r.header)
	}
	if n, err := remote.Fired(ctx, id); n != 1 || err != nil {
		t.Errorf("fired %d, %v", n, err)
	}
	if was, err := remote.ClearFaults(ctx); err != nil || len(was) != 1 || was[0].Fired != 1 || was[0].Fault.RetryAfter != 2*time.Second {
		t.Errorf("%+v, %v", was, err)
	}
	if _, err := remote.Fired(ctx, id); err == nil {
		t.Error("a cleared fault is still in place")
	}
	if err := remote.SetBalance(ctx, sandbox.DefaultClientID, 1); err != nil {
		t.Fatal(err)
	}
	b.wantError(b.register("a.nl", "b.nl"), 402)
	if err := remote.SetDirectDebit(ctx, sandbox.DefaultClientID, false); err != nil {
		t.Fatal(err)
	}
	b.wantError(b.register("a.nl"), 402)
	if err := remote.SetDirectDebit(ctx, sandbox.DefaultClientID, true); err != nil {
		t.Fatal(err)
	}
	b.register("a.nl")

	l, err := remote.Ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if l.Paid("a.nl") != 1 || l.Balances[sandbox.DefaultClientID] != 0 || len(l.Sends("a.nl")) != 4 {
		t.Errorf("%+v", l)
	}
	if diff := cmp.Diff(roundTrip(t, b.Ledger()), l, cmpopts.IgnoreUnexported(sandbox.Ledger{})); diff != "" {
		t.Errorf("remote ledger:\n%s", diff)
	}
}

func TestRemoteRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	remote, ctx := sandbox.Remote{BaseURL: b.url}, t.Context()
	if err := remote.SetBalance(ctx, "nobody", 1); err == nil {
		t.Error("an unknown account got money")
	}
	if _, err := remote.Inject(ctx, sandbox.Fault{Op: sandbox.OpAny}); err == nil {
		t.Error("a fault without a kind was accepted")
	}
	if _, err := (sandbox.Remote{BaseURL: "http://127.0.0.1:1"}).Ledger(ctx); err == nil {
		t.Error("nobody answered, and no error")
	}
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
	}{
		"misspelt field": {"POST", "/sandbox/faults", map[string]any{"op": "any", "kind": "cut", "cuont": 3}, 400},
		"bad duration":   {"POST", "/sandbox/faults", map[string]any{"op": "any", "kind": "slow", "delay": "soon"}, 400},
		"no balance":     {"PUT", "/sandbox/accounts/demo/balance", map[string]any{}, 422},
		"wrong type":     {"PUT", "/sandbox/accounts/demo/balance", map[string]any{"balance": "many"}, 400},
	} {
		r := b.must(c.method, c.path, c.body)
		if r.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.body, c.status)
		}
	}
}

func TestAdminSpeaksReadableJSON(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	r := b.must("POST", "/sandbox/faults", map[string]any{"op": "whois", "kind": "slow", "delay": "250ms", "count": -1})
	var put sandbox.FaultStatus
	if err := json.Unmarshal(r.body, &put); err != nil || r.status != http.StatusCreated || put.Fault.Delay != 250*time.Millisecond || put.ID == "" {
		t.Errorf("%d %s, %v", r.status, r.body, err)
	}
	var table []sandbox.Label
	if err := json.Unmarshal(b.must("GET", "/sandbox/labels", nil).body, &table); err != nil || len(table) != len(sandbox.Labels()) {
		t.Errorf("labels: %v, %v", table, err)
	}
}
