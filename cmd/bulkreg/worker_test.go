package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// submitOrder takes an order in.
func submitOrder(t *testing.T, st *store.Store, kind queue.Kind, reference string, domains ...string) record.Order {
	t.Helper()
	reader, err := input.FromArgs(domains, input.Options{Kind: string(kind), DefaultHolderID: sandbox.DefaultHolder})
	if err != nil {
		t.Fatal(err)
	}
	spool, err := intake.ReadSpool(reader, func(bad *input.RejectError) error { return bad })
	if err != nil {
		t.Fatal(err)
	}
	in, err := intake.New(st.Orders, intake.Chunks{Whois: 100, Register: 50})
	if err != nil {
		t.Fatal(err)
	}
	submitted, err := in.Submit(t.Context(), intake.Order{Source: cliSource, Reference: reference, Kind: kind, Account: "default"}, spool)
	if err != nil {
		t.Fatal(err)
	}
	if err := spool.Close(); err != nil {
		t.Error(err)
	}
	return submitted.Order
}

func openTestStore(t *testing.T, url string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st
}

// The commands of a deployment, each with the settings that the other prints: sandbox, migrate, worker.
func TestWorkerCarriesOrdersOut(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	upstream, environ := startSandboxCommand(t)
	environ = append(environ, "DATABASE_URL="+url, "REDIS_URL="+redistest.New(t),
		"WHOIS_LINGER=10ms", "REGISTER_LINGER=10ms", "RECONCILE_AFTER=1s")
	if r := runCommand(t, environ, "migrate"); r.status != exitDone {
		t.Fatal(r.stderr)
	}
	st := openTestStore(t, url)
	checks := submitOrder(t, st, queue.Whois, "checks", "free.nl", "taken-a.nl")
	registrations := submitOrder(t, st, queue.Register, "registrations", "a.nl", "b.nl", "taken-a.nl")

	worker := startCommand(t, environ, "worker")
	for order, want := range map[record.Order]map[record.Outcome]int{
		checks:        {record.Available: 1, record.Taken: 1},
		registrations: {record.Registered: 2, record.Taken: 1},
	} {
		sum := settled(t, st, order)
		for outcome, n := range want {
			if sum.Outcomes[outcome] != n {
				t.Errorf("order %s: %v, want %v", order.Reference, sum.Outcomes, want)
			}
		}
	}
	r := worker.stop()
	if r.status != exitDone || !strings.Contains(r.stderr, `"message":"stopped"`) {
		t.Errorf("the worker ended with status %d: %s", r.status, r.stderr)
	}
	if !strings.Contains(r.stderr, "RECONCILE_AFTER=1s is short") {
		t.Errorf("the worker does not warn: %s", r.stderr)
	}
	ledger, err := sandbox.Remote{BaseURL: strings.TrimPrefix(environ[0], "REGISTRAR_BASE_URL=")}.Ledger(t.Context())
	if err != nil || !slices.Equal(ledger.PaidDomains(), []string{"a.nl", "b.nl"}) || len(ledger.AllPaidTwice()) > 0 {
		t.Errorf("paid: %v, %v", ledger, err)
	}
	upstream.stop()
}

// A worker of one kind leaves the other kind alone.
func TestWorkerOfOneKind(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, migrated)
	_, environ := startSandboxCommand(t)
	environ = append(environ, "DATABASE_URL="+url, "REDIS_URL="+redistest.New(t), "WHOIS_LINGER=10ms")
	st := openTestStore(t, url)
	registrations := submitOrder(t, st, queue.Register, "registrations", "a.nl")
	checks := submitOrder(t, st, queue.Whois, "checks", "a.nl")
	startCommand(t, environ, "worker", "--kinds", "whois")
	settled(t, st, checks)
	sum, err := st.Orders.Summarize(t.Context(), registrations)
	if err != nil || sum.Counts[record.Queued] != 1 || sum.Calls != 0 {
		t.Errorf("the registration: %v, %d calls, %v", sum.Counts, sum.Calls, err)
	}
}

// settled waits until nothing more happens to an order by itself.
func settled(t *testing.T, st *store.Store, o record.Order) record.Summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), demoTime)
	defer cancel()
	sum, err := followOrder(ctx, st.Orders, o, func(record.Summary) {}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestParseKinds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		names []string
		want  []queue.Kind // nil: refused
	}{
		"both":        {[]string{"whois", "register"}, []queue.Kind{queue.Whois, queue.Register}},
		"one, spaced": {[]string{" register"}, []queue.Kind{queue.Register}},
		"one twice":   {[]string{"whois", "whois"}, []queue.Kind{queue.Whois}},
		"none":        {nil, nil},
		"empty name":  {[]string{""}, nil},
		"token":       {[]string{"whois", "token"}, []queue.Kind{queue.Whois, queue.Token}},
		"no kind":     {[]string{"whois", "transfer"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseKinds(tc.names)
			if !slices.Equal(got, tc.want) || (err != nil) != (tc.want == nil) {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
		})
	}
}
