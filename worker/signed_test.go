package worker_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Keys of tests, none of which anybody has.
const (
	shopKey = "shop-0123456789abcdef0123456789abcdef"
	nextKey = "next-0123456789abcdef0123456789abcdef"
	erpKey  = "erp--0123456789abcdef0123456789abcdef"
)

// signed hands a chunk over as a producer does that has a key.
func (b *bench) signed(key string, kind queue.Kind, c queue.Chunk) {
	b.t.Helper()
	parsed, err := queue.ParseKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	producer, err := queue.NewProducer(b.redis, queue.SignedWith(parsed))
	if err != nil {
		b.t.Fatal(err)
	}
	err = producer.Enqueue(b.t.Context(), kind, queue.Plain, c)
	if err := errors.Join(err, producer.Close()); err != nil {
		b.t.Fatal(err)
	}
}

// withHeaders hands a task over with any headers.
func (b *bench) withHeaders(queueName, taskType, payload string, headers map[string]string) {
	b.t.Helper()
	address, err := queue.ParseRedisURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	client := asynq.NewClient(address)
	_, err = client.EnqueueContext(b.t.Context(), asynq.NewTaskWithHeaders(taskType, []byte(payload), headers), asynq.Queue(queueName), asynq.MaxRetry(math.MaxInt32))
	if err := errors.Join(err, client.Close()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) found(source, reference string) record.Order {
	b.t.Helper()
	var order record.Order
	b.eventually(func() (found bool) {
		var err error
		order, err = b.store.Orders.Find(b.t.Context(), source, reference)
		return err == nil
	})
	return order
}

func ownChunk(source, reference, domain string) queue.Chunk {
	return queue.Chunk{Order: reference, Source: source, Account: "default", Jobs: []queue.Job{{Domain: domain, HolderID: "H-1"}}}
}

// Where producers have keys, what a key of the source has signed is carried out, as often as it is handed over once; orders from
// the command line and the dispatcher's own deliveries need none.
func TestSignedChunksAreCarriedOut(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	keys, err := queue.ParseKeys("shop=" + shopKey + ",shop=" + nextKey + ",erp=" + erpKey)
	if err != nil {
		t.Fatal(err)
	}
	o := b.options()
	o.ProducerKeys = keys
	b.work(o)
	for key, domain := range map[string]string{shopKey: "old.nl", nextKey: "next.nl"} {
		for range 2 { // a copy is the same job
			b.signed(key, queue.Register, ownChunk("shop", domain, domain))
		}
		order := b.found("shop", domain)
		b.settled(order)
		b.want(order, map[string]record.Outcome{domain: record.Registered})
	}
	b.signed(erpKey, queue.Whois, ownChunk("erp", "checks", "free.nl"))
	checks, submitted := b.found("erp", "checks"), b.submit(queue.Register, "submitted", []string{"submitted.nl"})
	b.settled(checks, submitted)
	b.want(checks, map[string]record.Outcome{"free.nl": record.Available})
	b.want(submitted, map[string]record.Outcome{"submitted.nl": record.Registered})
	if n := b.sql(`SELECT count(*) FROM jobs`); n != 4 {
		t.Errorf("%d jobs, want 4", n)
	}
	b.invariants()
}

func TestChunksThatTheirSourceHasNotSignedStayInTheArchive(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	victim := b.submit(queue.Register, "victim", []string{"victim.nl"})
	id := b.jobs(victim)["victim.nl"].ID
	keys, err := queue.ParseKeys("shop=" + shopKey + ",erp=" + erpKey)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	o := b.options()
	o.ProducerKeys, o.Log = keys, zerolog.New(&log).Level(zerolog.InfoLevel)
	b.work(o)
	b.settled(victim)
	paid, calls := len(b.sandbox.Ledger().PaidDomains()), b.sql(`SELECT count(*) FROM calls`)

	payload, err := ownChunk("shop", "x", "x.nl").Encode()
	if err != nil {
		t.Fatal(err)
	}
	by := func(key, taskType, source string) map[string]string {
		parsed, err := queue.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{queue.SignatureHeader: parsed.Sign(taskType, source, payload)}
	}
	delivery := fmt.Sprintf(`{"order":"victim","source":"test","account":"default","jobs":[{"id":%q,"domain":"victim.nl","epoch":0}]}`, id)
	tasks := []struct {
		queue, kind, payload string
		headers              map[string]string
		words                string
	}{
		{"register", queue.TypeRegister, string(payload), nil, `a chunk of source "shop" is not signed`},
		{"register-bulk", queue.TypeRegister, string(payload), nil, "is not signed"},
		{"register", queue.TypeRegister, string(payload), by(erpKey, queue.TypeRegister, "shop"), `no key of source "shop" has signed this payload for domain:register`},
		{"register", queue.TypeRegister, string(payload), by(shopKey, queue.TypeWhois, "shop"), "no key of source"},
		{"register", queue.TypeRegister, string(payload) + " ", by(shopKey, queue.TypeRegister, "shop"), "no key of source"},
		{"register", queue.TypeRegister, strings.Replace(string(payload), "shop", "erp", 1), by(shopKey, queue.TypeRegister, "shop"), `no key of source "erp"`},
		{"register", queue.TypeRegister, strings.Replace(string(payload), "shop", "cli", 1), by(shopKey, queue.TypeRegister, "cli"), `PRODUCER_KEYS has no key of source "cli"`},
		{"whois", queue.TypeWhois, string(payload), by(shopKey, queue.TypeRegister, "shop"), "has signed this payload for whois:check"},
		{"whois", queue.TypeWhois, string(payload), map[string]string{queue.SignatureHeader: "v2=00"}, "has not the form"},
		{"register", queue.TypeRegister, delivery, nil, `PRODUCER_KEYS has no key of source "test"`}, // in a public queue, a producer wrote it
		{"register/default", queue.TypeRegister, string(payload), by(shopKey, queue.TypeRegister, "shop"), "a producer's own chunk in a queue for deliveries"},
	}
	want := map[string][]string{}
	for _, task := range tasks {
		b.withHeaders(task.queue, task.kind, task.payload, task.headers)
		want[task.queue] = append(want[task.queue], task.words)
	}
	for name, words := range want {
		var found []string
		for _, task := range b.archived(name, len(words)) {
			found = append(found, task.LastErr)
		}
		for _, w := range words {
			if !strings.Contains(strings.Join(found, "\n"), w) {
				t.Errorf("archive of %s says %q, not %q", name, found, w)
			}
		}
	}
	if n := strings.Count(log.String(), `"reason":"signature"`); n != len(tasks)-1 {
		t.Errorf("logged %d times, want %d:\n%s", n, len(tasks)-1, log.String())
	}
	if strings.Contains(log.String(), "0123456789abcdef") {
		t.Error("a key is in the log")
	}
	if n := b.sql(`SELECT count(*) FROM jobs`); n != 1 || len(b.sandbox.Ledger().PaidDomains()) != paid || b.sql(`SELECT count(*) FROM calls`) != calls {
		t.Errorf("%d jobs, and something was called for", n)
	}
	b.invariants()
}
