package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Whoever can write to Redis can write deliveries, too. Their ids reach no job of an order that they do not name: it is neither
// called for, nor given back, nor kept from being delivered again.
func TestForgedDeliveriesReachNoOtherOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	var log lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&log).Level(zerolog.InfoLevel)
	said := func(words string, times int) {
		t.Helper()
		b.eventually(func() bool { return strings.Count(log.String(), words) == times })
	}
	stop := b.work(o) // the first to see this Redis delivers everything anew
	said("working", 1)
	stop()
	b.submit(queue.Whois, "own", []string{"own.nl"})
	theirs := b.submit(queue.Whois, "theirs", []string{"theirs.nl", "theirs-too.nl"})
	lot := delivery.Lot{Kind: record.Whois, Lane: record.Plain, Account: "default"}
	if _, err := b.store.Delivery.TakeUndelivered(t.Context(), lot, 10, time.Hour); err != nil { // no dispatcher has them in hand
		t.Fatal(err)
	}
	id := b.jobs(theirs)["theirs.nl"].ID
	b.work(o)

	forged := func(queueName, order, account string) {
		b.enqueue(queueName, queue.TypeWhois,
			fmt.Sprintf(`{"order":%q,"source":"test","account":%q,"jobs":[{"id":%q,"domain":"own.nl","epoch":0}]}`, order, account, id))
	}
	asBefore := func() bool {
		return b.sql(`SELECT count(*) FROM jobs WHERE wake_at IS NULL AND state = 'queued' AND attempts = 0`) == 3 &&
			b.sql(`SELECT count(*) FROM chunks WHERE wake_at > now() + interval '50 minutes'`) == 2
	}
	forged("whois/default", "own", "default")
	said("deliveries named jobs that are not of their order", 1)
	forged("whois", "own", "default")
	forged("whois", "theirs", "nobody")
	b.archived("whois", 2)
	forged("whois/default", "theirs", "partner")
	b.archived("whois/default", 1)
	b.enqueue("whois", queue.TypeWhois, // a chunk of an account that nobody has ends at once
		fmt.Sprintf(`{"order":"mine","source":"mallory","account":"nobody","jobs":[{"id":%q,"domain":"theirs.nl"}]}`, id))
	mine := b.found("mallory", "mine")
	if b.settled(mine); b.jobs(mine)["theirs.nl"].Outcome != record.Rejected || b.jobs(mine)["theirs.nl"].ID == id {
		t.Errorf("the chunk became %+v", b.jobs(mine))
	}
	if !asBefore() {
		b.dump()
		t.Error("forged deliveries changed jobs of another order")
	}

	forged("whois/default", "theirs", "default") // as its dispatcher would
	b.eventually(func() bool { return b.jobs(theirs)["theirs.nl"].Outcome == record.Available })
	b.invariants()
}
