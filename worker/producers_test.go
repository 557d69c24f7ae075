package worker_test

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// enqueue hands a task over as anybody who may write to Redis can.
func (b *bench) enqueue(queueName, taskType, payload string) {
	b.t.Helper()
	address, err := queue.ParseRedisURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	client := asynq.NewClient(address)
	_, err = client.EnqueueContext(b.t.Context(), asynq.NewTask(taskType, []byte(payload)), asynq.Queue(queueName), asynq.MaxRetry(math.MaxInt32))
	if err := errors.Join(err, client.Close()); err != nil {
		b.t.Fatal(err)
	}
}

// archived waits until so many tasks of a queue lie in Asynq's archive.
func (b *bench) archived(queueName string, n int) []*asynq.TaskInfo {
	b.t.Helper()
	address, err := queue.ParseRedisURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	inspector := asynq.NewInspector(address)
	defer func() {
		if err := inspector.Close(); err != nil {
			b.t.Error(err)
		}
	}()
	var tasks []*asynq.TaskInfo
	b.eventually(func() bool {
		tasks, err = inspector.ListArchivedTasks(queueName)
		return err == nil && len(tasks) == n
	})
	return tasks
}

func TestTasksThatNobodyCanCarryOutStayInTheArchive(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	whole := b.submit(queue.Register, "whole", []string{"whole.nl"})
	b.work(b.options())
	b.settled(whole)
	order := b.own(queue.Register, "own", queue.Job{Domain: "own.nl", HolderID: "H-1"})
	paid, calls := len(b.sandbox.Ledger().PaidDomains()), b.sql(`SELECT count(*) FROM calls`)

	const job = `"jobs":[{"domain":"example.nl","holder_id":"H-1"}]}`
	tasks := []struct{ queue, kind, payload, words string }{
		{"register", queue.TypeWhois, `{"order":"x","source":"shop",` + job, `a task of type "whois:check" in a queue for domain:register`},
		{"register-bulk", queue.TypeWhois, `{"order":"x","source":"shop",` + job, `a task of type "whois:check"`},
		{"whois", queue.TypeRegister, `{"order":"x","source":"shop",` + job, `a task of type "domain:register"`},
		{"register", "email:send" + strings.Repeat("!", 300), `{"to":"jan@example.nl"}`, `a task of type "email:send`},
		{"register", queue.TypeRegister, `{"order":"x","source":"shop","v":2,` + job, "version 2"},
		{"register", queue.TypeRegister, `{"order":"x","source":"shop","dry_run":true,` + job, `unknown field "dry_run"`},
		{"register", queue.TypeRegister, `{"order":"x","order":"y","source":"shop",` + job, "field order is given twice"},
		{"register", queue.TypeRegister, `{"order":"x","source":"shop",` + job + `{}`, "something follows"},
		{"register", queue.TypeRegister, "{\"order\":\"x\xff\",\"source\":\"shop\"," + job, "not UTF-8"},
		{"register", queue.TypeRegister, strings.Repeat(" ", queue.MaxPayloadBytes) + "{}", "at most 1048576"},
		{"register", queue.TypeRegister, "", "not JSON"},
		{"register", queue.TypeRegister, `{"order":"own","source":"shop","account":"partner",` + job, `order "own" of source "shop" exists with other content`},
		{"whois", queue.TypeWhois, `{"order":"own","source":"shop",` + job, `order "own" of source "shop" exists with other content`},
		{"register", queue.TypeRegister, `{"order":"whole","source":"test",` + job, `order "whole" of source "test" exists with other content`},
	}
	want := map[string][]string{}
	for _, task := range tasks {
		b.enqueue(task.queue, task.kind, task.payload)
		want[task.queue] = append(want[task.queue], task.words)
	}
	for name, words := range want {
		var found []string
		for _, task := range b.archived(name, len(words)) {
			found = append(found, task.LastErr)
			if len(task.LastErr) > 300 || strings.Contains(task.LastErr, "jan@") {
				t.Errorf("the reason shows too much: %s", task.LastErr)
			}
		}
		for _, w := range words {
			if !strings.Contains(strings.Join(found, "\n"), w) {
				t.Errorf("archive of %s says %q, not %q", name, found, w)
			}
		}
	}
	if n := b.sql(`SELECT count(*) FROM jobs`); n != 2 {
		t.Errorf("%d jobs, want those of the two orders alone", n)
	}
	if n := len(b.sandbox.Ledger().PaidDomains()); n != paid || b.sql(`SELECT count(*) FROM calls`) != calls {
		t.Errorf("%d domains paid for, %d before", n, paid)
	}
	b.settled(order)
	b.invariants()
}

// own hands over a chunk as a producer does, and waits until its order has ended.
func (b *bench) own(kind queue.Kind, reference string, jobs ...queue.Job) record.Order {
	b.t.Helper()
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	err = producer.Enqueue(b.t.Context(), kind, queue.Plain, queue.Chunk{Order: reference, Source: "shop", Account: "default", Jobs: jobs})
	if err := errors.Join(err, producer.Close()); err != nil {
		b.t.Fatal(err)
	}
	var order record.Order
	b.eventually(func() bool {
		order, err = b.store.Orders.Find(b.t.Context(), "shop", reference)
		return err == nil
	})
	b.settled(order)
	return order
}

func TestProducersJobsThatBreakARuleEndRejected(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	bad := []struct {
		job             queue.Job
		subject, reason string
	}{
		{queue.Job{Domain: "www.host.nl", HolderID: "H-1"}, `"www.host.nl"`, "is a host under host.nl"},
		{queue.Job{Domain: "jan@mail.nl", HolderID: "H-1"}, `"…@mail.nl"`, "is an e-mail address"},
		{queue.Job{Domain: "nul\x00\u202e.nl", HolderID: "H-1"}, `"nul\x00\u202e.nl"`, "which a domain cannot have"},
		{queue.Job{Domain: " ", HolderID: "H-1"}, `""`, "is empty"},
		{queue.Job{Domain: "No-Holder.nl"}, "no-holder.nl", "holder_id is missing"},
		{queue.Job{Domain: "mail-holder.nl", HolderID: "jan@example.nl"}, "mail-holder.nl", "holder_id is an e-mail address"},
		{queue.Job{Domain: "period.nl", HolderID: "H-1", PeriodMonths: 121}, "period.nl", "period is no period"},
		{queue.Job{Domain: "servers.nl", HolderID: "H-1", Nameservers: []string{"ns1.a.nl", "NS1.A.NL."}}, "servers.nl", `"ns1.a.nl" is there twice`},
	}
	jobs := []queue.Job{{Domain: "GOOD.nl.", HolderID: "H-1", Nameservers: []string{"NS1.A.NL.", "ns2.a.nl"}}, {Domain: "good.nl", HolderID: "H-2"}}
	for _, c := range bad {
		jobs = append(jobs, c.job)
	}
	for range 2 { // the second time changes nothing
		order := b.own(queue.Register, "own", jobs...)
		got := b.jobs(order)
		if len(got) != 1+len(bad) || order.Total != len(got) || got["good.nl"].Outcome != record.Registered || got["good.nl"].HolderID != "H-1" {
			t.Errorf("%d jobs, total %d, good.nl %s", len(got), order.Total, got["good.nl"].Outcome)
		}
		for _, c := range bad {
			if j := got[c.subject]; j.State != record.Failed || j.Outcome != record.Rejected || !strings.Contains(j.LastError, c.reason) ||
				strings.Contains(j.LastError, "jan@") {
				t.Errorf("%q stands as %s: %s %s %q", c.job.Domain, c.subject, j.State, j.Outcome, j.LastError)
			}
		}
		if calls := b.sql(`SELECT count(*) FROM attempts`); calls != 1 {
			t.Errorf("%d attempts", calls)
		}
		// No retry makes such a job fit to be carried out.
		if report := b.act(operator.Retry, order); report.Changed() != 0 || report.Skipped()[operator.SkipUnusable] != len(bad) {
			t.Errorf("retry would change %d and leave %v", report.Changed(), report.Skipped())
		}
	}
	checks := b.own(queue.Whois, "checks", queue.Job{Domain: "www.host.nl"}, queue.Job{Domain: "free.nl", HolderID: "jan@example.nl", PeriodMonths: -1})
	if got := b.jobs(checks); got["free.nl"].Outcome != record.Available || got[`"www.host.nl"`].Outcome != record.Rejected {
		t.Errorf("checks ended as %v", got)
	}
	b.invariants()
}

// An id of a producer's own names no row: least of all another order's.
func TestProducersIDsReachNoRows(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	other := b.submit(queue.Register, "other", []string{"other.nl"})
	id := b.jobs(other)["other.nl"].ID
	b.work(b.options())
	b.settled(other)
	order := b.own(queue.Register, "own", queue.Job{ID: id, Domain: "own.nl", HolderID: "H-1"}, queue.Job{ID: id, Domain: "own-too.nl", HolderID: "H-1"})
	b.want(order, map[string]record.Outcome{"own.nl": record.Registered, "own-too.nl": record.Registered})
	b.invariants()
}

// A row that somebody else has made has the id that a producer's job gets: nothing of the chunk vanishes, and nothing happens to
// the row.
func TestProducersJobWhoseIDIsTaken(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	squatter := b.submit(queue.Whois, "squatter", []string{"squatted.nl"})
	b.sql(`WITH taken AS (UPDATE jobs SET id = $1 RETURNING id) SELECT count(*) FROM taken`, queue.JobID("shop", "own", queue.Whois, "own.nl"))
	b.work(b.options())
	b.enqueue("whois", queue.TypeWhois, `{"order":"own","source":"shop","jobs":[{"domain":"own.nl"},{"domain":"b.nl"}]}`)
	if task := b.archived("whois", 1)[0]; !strings.Contains(task.LastErr, "has the id of another job") {
		t.Errorf("the archive says %q", task.LastErr)
	}
	b.settled(squatter)
	b.want(squatter, map[string]record.Outcome{"squatted.nl": record.Available})
	if _, err := b.store.Orders.Find(t.Context(), "shop", "own"); !errors.Is(err, pg.ErrNotFound) {
		t.Errorf("the order is there without its jobs: %v", err)
	}
	b.invariants()
}

// A worker as a user of Redis' own access lists, with the rights that queue/README.md asks for and no others.
func TestWorkerAsARedisUserWithFewRights(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	given, err := url.Parse(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	client, user := b.redisClient(), "worker-"+strings.Trim(given.Path, "/")
	if err := client.Do(t.Context(), "ACL", "SETUSER", user, "on", ">secret", "~asynq:*", "~bulkreg:*", "&asynq:*", "+@all", "-@dangerous").Err(); err != nil {
		t.Fatal(err)
	}
	given.User = url.UserPassword(user, "secret")
	o := b.options()
	o.RedisURL = given.String()
	stop := b.work(o)
	order := b.submit(queue.Register, "o", []string{"a.nl", "b.nl"})
	b.settled(order)
	b.want(order, map[string]record.Outcome{"a.nl": record.Registered, "b.nl": record.Registered})
	stop()
	if err := client.Do(t.Context(), "ACL", "DELUSER", user).Err(); err != nil {
		t.Error(err)
	}
}

// A chunk of an account that nobody has is turned down as an order for it would be, and its order shows it.
func TestProducersChunkOfAnUnknownAccount(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	b.enqueue("register", queue.TypeRegister, fmt.Sprintf(`{"order":"x","source":"shop","account":%q,"jobs":[{"domain":"a.nl","holder_id":"H-1"},{"domain":"b"}]}`, "nobody"))
	var order record.Order
	b.eventually(func() (found bool) {
		var err error
		order, err = b.store.Orders.Find(t.Context(), "shop", "x")
		return err == nil
	})
	sum := b.settled(order)[0]
	if job := b.jobs(order)["a.nl"]; sum.Outcomes[record.Rejected] != 2 || job.LastError != `there is no account "nobody": it is not configured` {
		t.Errorf("ended as %v, %q", sum.Outcomes, job.LastError)
	}
	if report := b.act(operator.Retry, order); report.Changed() != 1 { // once somebody has the account
		t.Errorf("retry changed %d, want the one whose fields are in order", report.Changed())
	}
}
