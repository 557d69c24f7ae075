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

// The registrar is away for longer than any job has tries. The account is held, asked once per interval, and no job ends for it.
func TestOutageHold(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]sandbox.Op{"of WHOIS": sandbox.OpWhois, "of the token": sandbox.OpAuthenticate} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			if _, err := b.sandbox.Inject(sandbox.Fault{Op: op, Kind: sandbox.KindStatus, Status: http.StatusServiceUnavailable, Count: 40}); err != nil {
				t.Fatal(err)
			}
			o := b.options()
			o.HoldInterval = 50 * time.Millisecond
			b.work(o)
			order := b.submit(queue.Whois, "w", names("free", 2000))
			b.eventually(func() bool { return len(b.holds()) == 1 })
			if h := b.holds()[0]; h.Reason != holds.Outage || h.Scope != holds.ScopeAll {
				t.Errorf("hold %+v", h)
			}
			if sum := b.settled(order)[0]; sum.Outcomes[record.Available] != 2000 {
				t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
			}
			if n := b.sql(`SELECT max(attempts) FROM jobs`); n >= o.MaxAttempts {
				t.Errorf("a job has used %d attempts", n)
			}
		})
	}
}

// Nothing can be registered while WHOIS answers. Registrations alone are held; what was sent waits for readings, and nothing is
// paid twice.
func TestOutageOfRegistrations(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{ChargeTwice: true})
	if _, err := b.sandbox.Inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Count: 12}); err != nil {
		t.Fatal(err)
	}
	o := b.options()
	o.HoldInterval = 50 * time.Millisecond
	o.UpstreamTimeout = time.Second
	b.work(o)
	order := b.submit(queue.Register, "r", names("shop", 600))
	b.eventually(func() bool { return len(b.holds()) == 1 })
	if h := b.holds()[0]; h.Reason != holds.Outage || h.Scope != holds.ScopeRegister {
		t.Errorf("hold %+v", h)
	}
	b.settled(b.submit(queue.Whois, "w", names("free", 200)))
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 600 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	b.invariants()
}
