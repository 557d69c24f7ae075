package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/job"
)

func ownChunk(jobs ...queue.Job) queue.Chunk {
	return queue.Chunk{Order: "o", Source: "s", Account: "default", Jobs: jobs}
}

func TestOwnJobsAreHeldToTheRulesOfALine(t *testing.T) {
	t.Parallel()
	c := ownChunk()
	got, err := newJob(c, queue.Register, queue.Job{
		ID: uuid.New(), Domain: "BÜCHER.nl", HolderID: "H-1", PeriodMonths: 24, Nameservers: []string{"NS1.Example.NL.", "ns.bücher.nl"},
	})
	want := orders.NewJob{
		ID: queue.JobID("s", "o", queue.Register, "xn--bcher-kva.nl"), Domain: "xn--bcher-kva.nl", DomainUnicode: "bücher.nl",
		HolderID: "H-1", PeriodMonths: 24, Nameservers: []string{"ns1.example.nl", "ns.xn--bcher-kva.nl"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, job (-want +got):\n%s", err, diff)
	}
	for _, j := range []queue.Job{
		{Domain: "example.nl", HolderID: "jan@example.nl"},
		{Domain: "example.nl", HolderID: "H-1", Nameservers: []string{"ns1.example.nl"}},
		{Domain: "example.nl", HolderID: "H-1", Nameservers: []string{"ns1.example.nl", "NS1.example.nl", "ns.bücher.nl"}},
		{Domain: "example.nl"},
		{Domain: "www.example.nl", HolderID: "H-1"},
	} {
		if n, err := newJob(c, queue.Register, j); !errors.As(err, new(*job.Error)) || !cmp.Equal(n, orders.NewJob{}) {
			t.Errorf("%+v: %+v, %v", j, n, err)
		}
	}
}

func TestRowsOfAProducersChunk(t *testing.T) {
	t.Parallel()
	c := ownChunk(queue.Job{Domain: "a.nl"}, queue.Job{Domain: "A.NL."}, queue.Job{Domain: "www.a.nl"}, queue.Job{Domain: "www.a.nl"}, queue.Job{Domain: "WWW.a.nl"})
	told := func(rows []orders.NewJob) (out []string) {
		for _, n := range rows {
			out = append(out, fmt.Sprint(n.Domain, " ", n.Rejected != "", " ", strings.HasPrefix(n.Rejected, "nobody")))
		}
		return out
	}
	if got, want := told(rowsOf(c, queue.Whois, "")), []string{"a.nl false false", `"www.a.nl" true false`, `"WWW.a.nl" true false`}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	if got, want := told(rowsOf(c, queue.Whois, "nobody does")), []string{"a.nl true true", `"www.a.nl" true false`, `"WWW.a.nl" true false`}; !slices.Equal(got, want) {
		t.Errorf("rows that nobody may carry out %q, want %q", got, want)
	}
}

// Whatever a producer writes in the place of a domain becomes a row, or the row of a job that goes on.
func FuzzRowsOf(f *testing.F) {
	for _, domain := range []string{"a.nl", "www.a.nl", "\x00", "\u202e", "jan@a.nl", " ", "\"", "\ufffd.nl", strings.Repeat("é", 126), "xn--a.nl"} {
		f.Add(domain, "H-1", 12, "ns1.a.nl")
	}
	f.Fuzz(func(t *testing.T, domain, holder string, months int, ns string) {
		c := ownChunk(queue.Job{Domain: domain, HolderID: holder, PeriodMonths: months, Nameservers: []string{ns, "ns2.a.nl"}})
		for _, kind := range []queue.Kind{queue.Whois, queue.Register} {
			n := rowsOf(c, kind, "")[0]
			if !utf8.ValidString(n.Domain+n.Rejected) || strings.ContainsRune(n.Domain+n.Rejected+n.HolderID, 0) || n.Domain == "" || len(n.Domain) > 500 {
				t.Errorf("%q became %+v", domain, n)
			}
			if n.Rejected != "" && (n.HolderID != "" || n.PeriodMonths != 0 || n.Nameservers != nil) {
				t.Errorf("a row that ends at once could be tried again: %+v", n)
			}
		}
	})
}

func TestTurnedAwayTasksAreCountedByReason(t *testing.T) {
	t.Parallel()
	var (
		away turnedAway
		log  strings.Builder
	)
	conflict := fmt.Errorf("adopt chunk: %w", unadoptable(&record.ReferenceConflictError{Source: "s", Reference: "o"}))
	refusal := unadoptable(fmt.Errorf("adopt: %w", &pg.Error{Action: "adopt jobs", Code: "22P05", Message: "no"}))
	for _, c := range []struct {
		kind    string
		payload string
		err     error
		reason  misfitReason
	}{
		{queue.TypeWhois, `{}`, nil, misfitType},
		{"", `{}`, nil, misfitType},
		{queue.TypeRegister, `{"v":7}`, nil, misfitVersion},
		{queue.TypeRegister, `{"secret":1}`, nil, misfitPayload},
		{queue.TypeRegister, ``, conflict, misfitOrder},
		{queue.TypeRegister, ``, unadoptable(fmt.Errorf("adopt: %w", &pg.JobTakenError{})), misfitJob},
		{queue.TypeRegister, ``, refusal, misfitDatabase},
	} {
		task, err := asynq.NewTask(c.kind, []byte(c.payload)), c.err
		if err == nil {
			_, err = readTask(queue.Register, task)
		}
		before := away.count(c.reason)
		err = away.note(t.Context(), zerolog.New(&log), task, err)
		if !errors.Is(err, asynq.SkipRetry) || away.count(c.reason) != before+1 || strings.Contains(err.Error(), "skip") {
			t.Errorf("%s: %v, counted %d after %d", c.reason, err, away.count(c.reason), before)
		}
	}
	passing := errors.Join(pg.ErrUnavailable)
	if err := away.note(t.Context(), zerolog.New(&log), asynq.NewTask("x", nil), unadoptable(passing)); errors.Is(err, asynq.SkipRetry) || err == nil {
		t.Errorf("what passes with time became %v", err)
	}
	if err := away.note(t.Context(), zerolog.New(&log), asynq.NewTask("x", nil), nil); err != nil {
		t.Error(err)
	}
	if lines := strings.Count(log.String(), `"level":"error"`); lines != 7 || strings.Contains(log.String(), "{}") {
		t.Errorf("%d lines:\n%s", lines, log.String())
	}
}

// A producer's names are held to the suffixes of the settings, as an order's lines are.
func TestSuffixesOfProducersJobs(t *testing.T) {
	t.Parallel()
	suffixes, err := domainname.ParseSuffixes("co.nl")
	if err != nil {
		t.Fatal(err)
	}
	c := queue.Chunk{Source: "shop", Order: "r", Jobs: []queue.Job{{Domain: "foo.co.nl"}}}
	if n := rowsBy(job.Rules{Suffixes: suffixes}, c, queue.Whois, "")[0]; n.Domain != "foo.co.nl" || n.Rejected != "" {
		t.Errorf("got %+v", n)
	}
	if n := rowsOf(c, queue.Whois, "")[0]; !strings.Contains(n.Rejected, "add co.nl to EXTRA_SUFFIXES") {
		t.Errorf("without them: %+v", n)
	}
}
