package worker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Two customers order domains that the registrar does not sell to us, refused one by one in the same words. The account is held,
// somebody else's order passes the probe, the hold ends, and those who were refused end so.
func TestContractHoldEndsForOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.Register.BatchSize, o.Register.Linger = 12, 5*time.Second
	bad := []record.Order{
		b.submitWith("default", "H-1", queue.Register, "A", names("refused-a", 6)),
		b.submitWith("default", "H-2", queue.Register, "B", names("refused-b", 6)),
	}
	b.work(o)
	b.eventually(func() bool { return len(b.holds()) == 1 })
	good := b.submitWith("default", "H-3", queue.Register, "C", names("good", 5))
	if sum := b.settled(good)[0]; sum.Outcomes[record.Registered] != 5 {
		t.Errorf("the good order ended as %v %v", sum.Counts, sum.Outcomes)
	}
	for _, sum := range b.settled(bad...) {
		if sum.Outcomes[record.Rejected] != 6 {
			t.Errorf("%s ended as %v %v", sum.Reference, sum.Counts, sum.Outcomes)
		}
	}
	if h := b.holds(); len(h) > 0 {
		t.Errorf("holds %+v", h)
	}
	b.invariants()
}

// The path of WHOIS is wrong, and a framework behind it answers each call in JSON of the documented form. No job ends for it; when
// the path is right they all go on.
func TestWrongWhoisPathHolds(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	wrong, err := b.sandbox.Inject(sandbox.Fault{
		Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: http.StatusNotFound, Message: "Cannot POST /whois", Count: sandbox.Always,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.work(b.options())
	one, two := b.submit(queue.Whois, "one", names("one", 100)), b.submit(queue.Whois, "two", names("two", 100))
	b.eventually(func() bool { return len(b.holds()) == 1 })
	if h := b.holds()[0]; h.Reason != holds.Contract || h.Status != http.StatusNotFound {
		t.Errorf("hold %+v", h)
	}
	b.eventually(func() bool { h := b.holds(); return len(h) == 1 && h[0].Probes > 2 })
	wrong.Remove()
	for _, sum := range b.settled(one, two) {
		if sum.Outcomes[record.Available] != 100 {
			t.Errorf("%s ended as %v %v", sum.Reference, sum.Counts, sum.Outcomes)
		}
	}
}
