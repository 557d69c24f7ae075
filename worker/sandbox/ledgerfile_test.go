package sandbox_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestLedgerOutlivesItsSandbox(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.ndjson")
	opts := sandbox.Options{LedgerPath: path, ChargeTwice: true}
	b := setup(t, opts)
	if err := b.SetBalance(sandbox.DefaultClientID, 10); err != nil {
		t.Fatal(err)
	}
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 500, Effect: sandbox.EffectFirst, K: 1})
	b.register("a.nl", "b.nl")
	b.whois("a.nl", "A.NL")
	b.register("a.nl", "taken-1.nl")
	kept := b.must("PUT", "/domainholder", map[string]any{"email": "kept@b.nl"}).json(t)["id"].(string)
	gone := b.must("PUT", "/domainholder", map[string]any{"email": "gone@b.nl"}).json(t)["id"].(string)
	b.must("PATCH", "/domainholder/"+kept, map[string]any{"city": "Gent"})
	b.must("DELETE", "/domainholder/"+gone, nil)
	if _, err := b.doAs(t.Context(), sandbox.DefaultAccessToken, "POST", sandbox.TokenPath, map[string]string{"email": "a@b.nl", "originator": "x"}); err != nil {
		t.Fatal(err)
	}
	want := roundTrip(t, b.Ledger())
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	next, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	got := next.Ledger()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sandbox.Ledger{})); diff != "" {
		t.Errorf("ledger read again (-before +after):\n%s", diff)
	}
	if got.Paid("a.nl") != 2 || got.Paid("b.nl") != 0 || got.Balances[sandbox.DefaultClientID] != 8 || len(got.Resends()) != 1 {
		t.Errorf("paid %d and %d, balances %v, resends %v", got.Paid("a.nl"), got.Paid("b.nl"), got.Balances, got.Resends())
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}

	third := setup(t, sandbox.Options{LedgerPath: path})
	if l := third.whois("a.nl").result(t, "a.nl"); *l.Available {
		t.Error("a registration was forgotten")
	}
	if r := third.must("POST", "/domainholder", map[string]string{"email": "kept@b.nl"}); r.status != 200 || r.json(t)["city"] != "Gent" {
		t.Errorf("a holder was forgotten: %d %s", r.status, r.body)
	}
	third.wantError(third.must("POST", "/domainholder", map[string]string{"email": "gone@b.nl"}), 404)
	calls := third.Ledger().Calls
	for i, c := range calls {
		if c.Seq != i+1 {
			t.Fatalf("call %d has seq %d", i, c.Seq)
		}
	}
}

// roundTrip takes off what JSON does not keep: monotonic clock readings.
func roundTrip(t *testing.T, l *sandbox.Ledger) *sandbox.Ledger {
	t.Helper()
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var again sandbox.Ledger
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	return &again
}

func TestLedgerFileCutShort(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.ndjson")
	b := setup(t, sandbox.Options{LedgerPath: path})
	b.register("a.nl")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, slices.Concat(whole, []byte(`{"event":"call","call":{"se`), bytes.Repeat([]byte("x"), 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	again := setup(t, sandbox.Options{LedgerPath: path})
	if left, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(left, whole) || bytes.Contains(left, []byte("xxx")) {
		t.Errorf("the broken line is still there, %v", err)
	}
	again.wantPaid("a.nl", 1)
	again.register("b.nl")
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	setup(t, sandbox.Options{LedgerPath: path}).wantPaid("b.nl", 1)
}

func TestLedgerFileRefused(t *testing.T) {
	t.Parallel()
	call := `{"event":"call","call":{"seq":1,"op":"register","route":"POST /domain","at":"2026-01-01T00:00:00Z","items":[{"domain":"a.nl"}]}}` + "\n"
	for name, text := range map[string]string{
		"not JSON":        call + "oops\n",
		"unknown event":   `{"event":"party"}` + "\n",
		"no such call":    `{"event":"paid","seq":9,"paid":[0]}` + "\n",
		"no such item":    call + `{"event":"paid","seq":1,"paid":[1]}` + "\n",
		"call out of row": call + call,
		"empty call":      `{"event":"call"}` + "\n",
	} {
		path := filepath.Join(t.TempDir(), "ledger.ndjson")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sandbox.New(sandbox.Options{LedgerPath: path})
		if err == nil || !strings.Contains(err.Error(), "line "+string('0'+rune(strings.Count(text, "\n")))) {
			t.Errorf("%s: want an error that names the line, got %v", name, err)
		}
	}
}

// A path that was mistyped costs nobody a file.
func TestOtherFilesAreNoLedgers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a secret without a line break", "{}", `{"private_key":"x"}`, `{"event":"party"}` + "\nnotes", "\x00\x01", "{ "} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sandbox.New(sandbox.Options{LedgerPath: path}); err == nil {
			t.Errorf("%q is taken for a ledger", text)
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != text {
			t.Errorf("%q became %q, %v", text, left, err)
		}
	}
}

func TestUnwritableLedgerPaysNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{LedgerPath: filepath.Join(t.TempDir(), "ledger.ndjson")})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.wantError(b.register("a.nl"), 500)
	b.wantPaid("a.nl", 0)
}

func TestLedgerCountsOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.ndjson")
	b := setup(t, sandbox.Options{LedgerCounts: true, LedgerPath: path})
	b.whois("a.nl", "b.nl")
	b.register("a.nl")
	l := b.Ledger()
	if l.Counts[sandbox.OpWhois] != 1 || l.BatchSizes[sandbox.OpWhois][2] != 1 || len(l.Received(sandbox.OpWhois)) != 0 {
		t.Errorf("%+v", l)
	}
	if len(l.Received(sandbox.OpRegister)) != 1 || l.Paid("a.nl") != 1 {
		t.Errorf("register items were not kept: %+v", l.Calls)
	}
	file, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(file), "whois") {
		t.Errorf("the file has WHOIS calls, %v", err)
	}
}
