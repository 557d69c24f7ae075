package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// submitFrom takes in an order of tokens of a source, in the chunks of a worker with so many calls in flight.
func (b *tokenBench) submitFrom(source, reference string, concurrency int, emails ...string) {
	b.t.Helper()
	lines := "email,originator,privacyConsent\n" + strings.Join(emails, ",shop,true\n") + ",shop,true\n"
	r, err := input.NewReader(strings.NewReader(lines), input.Options{Kind: string(queue.Token)})
	if err != nil {
		b.t.Fatal(err)
	}
	spool, err := intake.ReadSpool(r, func(bad *input.RejectError) error { return bad })
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() {
		if err := spool.Close(); err != nil {
			b.t.Error(err)
		}
	}()
	in, err := intake.New(b.store.Orders, intake.Chunks{Whois: 100, Register: 50, Token: worker.TokenTuning(concurrency).BatchSize})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := in.SealingWith(b.keys).Submit(b.t.Context(), intake.Order{
		Source: source, Reference: reference, Kind: queue.Token, Account: queue.TokenAccount,
	}, spool); err != nil {
		b.t.Fatal(err)
	}
}

// A source orders tokens for many people, in one order or in many. Every one is a call of its own, so that what is delivered before
// another source's turn is counted in calls: another source's person waits for few of them.
func TestTokenBehindAFlood(t *testing.T) {
	t.Parallel()
	const people, concurrency = 900, 4
	for name, perOrder := range map[string]int{"one order": people, "orders that are small": 45, "orders of one person": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupTokens(t, sandbox.Options{Latency: sandbox.Latency{Token: 10 * time.Millisecond}})
			for i := range people / perOrder {
				emails := make([]string, perOrder)
				for k := range emails {
					emails[k] = fmt.Sprintf("flood-%d-%d@example.nl", i, k)
				}
				b.submitFrom("flood", fmt.Sprintf("f-%d", i), concurrency, emails...)
			}
			done := func(source string) int {
				return b.sql(`SELECT count(*) FROM jobs j JOIN orders o ON o.id = j.order_id WHERE o.source = '` + source + `' AND j.finished_at IS NOT NULL`)
			}
			b.work(b.options())
			b.eventually(func() bool { return done("flood") > 0 })
			before := done("flood")
			b.submitFrom("other", "o", concurrency, "other@example.nl")
			b.eventually(func() bool { return done("other") == 1 })
			if waited := done("flood") - before; waited > 300 {
				t.Errorf("one person waited for %d of the flood", waited)
			}
		})
	}
}
