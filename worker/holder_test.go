package worker_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

const holderColumns = "domain,firstname,lastname,email,phone,street,housenumber,postalcode,city,country\n"

// holderCells are the details of the holder with that name.
func holderCells(name string) string {
	return "Joost," + name + ",joost." + name + "@example.nl,+31612345678,Kerkstraat,12,1234 AB,Zonnedorp,NL"
}

// upstreamHolder is that holder as an upstream may write it.
func upstreamHolder(id, name string) sandbox.Holder {
	return sandbox.Holder{
		ID: id, Firstname: "JOOST", Lastname: name, Email: "joost." + name + "@EXAMPLE.nl", Phone: "+31612345678",
		Street: "Kerkstraat", Housenumber: "12", Postalcode: "1234AB", City: "Zonnedorp", Country: "NL",
	}
}

// submitHolders takes in an order of registrations whose domains have the holder with the name that holderOf says.
func (b *bench) submitHolders(reference string, domains []string, holderOf func(i int) string) record.Order {
	b.t.Helper()
	text := holderColumns
	for i, d := range domains {
		text += d + "," + holderCells(holderOf(i)) + "\n"
	}
	r, err := input.NewReader(strings.NewReader(text), input.Options{Kind: "register"})
	if err != nil {
		b.t.Fatal(err)
	}
	order := intake.Order{Source: "test", Reference: reference, Kind: queue.Register, Account: "default"}
	return b.submitRead(order, r, intake.Chunks{Whois: 100, Register: 50})
}

func always(name string) func(int) string { return func(int) string { return name } }

// wantOneHolder checks that one holder was created, however often it was tried.
func (b *bench) wantOneHolder() {
	b.t.Helper()
	if created := b.sandbox.Ledger().Holders; len(created) != 1 {
		b.t.Errorf("%d holders were created, want 1", len(created))
	}
}

// wantHolder checks that every domain of the ledger was sent with one holder, and returns it.
func (b *bench) wantHolder(want string) {
	b.t.Helper()
	received := b.sandbox.Ledger().Received(sandbox.OpRegister)
	if len(received) == 0 {
		b.t.Error("nothing was registered")
	}
	for _, r := range received {
		if r.Holder != want {
			b.t.Fatalf("%s was sent with holder %q, want %q", r.Domain, r.Holder, want)
		}
	}
}

func (b *bench) inject(f sandbox.Fault) *sandbox.Injected {
	b.t.Helper()
	injected, err := b.sandbox.Inject(f)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if injected.Fired() == 0 {
			b.t.Error("the fault did not happen")
		}
	})
	return injected
}

// Five hundred domains of one person, and two workers: one creation. A second order of hers makes no call about her.
func TestHolderIsCreatedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{Latency: sandbox.Latency{Holder: 20 * time.Millisecond}})
	for _, name := range []string{"one", "two"} {
		o := b.options()
		o.Name = name
		b.work(o)
	}
	sum := b.settled(b.submitHolders("r", names("shop", 500), always("Jansen")))[0]
	if sum.Outcomes[record.Registered] != 500 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	created := b.sandbox.Ledger().Holders
	if len(created) != 1 {
		t.Fatalf("%d holders were created, want 1", len(created))
	}
	b.wantHolder(created[0].ID)
	if n := b.sql(`SELECT count(*) FROM jobs WHERE attempts > 1`); n > 0 {
		t.Errorf("waiting for the holder used up attempts of %d jobs", n)
	}
	before := calls(b.sandbox.Ledger(), sandbox.OpHolder)
	b.settled(b.submitHolders("again", names("more", 10), always("JANSEN")))
	if n := calls(b.sandbox.Ledger(), sandbox.OpHolder); n != before {
		t.Errorf("%d more calls for a holder that is known", n-before)
	}
	b.wantHolder(created[0].ID)
	b.invariants()
}

// Each of many holders gets its own domains, and the jobs tell which calls were made for theirs.
func TestManyHolders(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	order := b.submitHolders("r", names("shop", 120), func(i int) string { return fmt.Sprint("Jansen", i%40) })
	sum := b.settled(order)[0]
	ledger := b.sandbox.Ledger()
	if sum.Outcomes[record.Registered] != 120 || len(ledger.Holders) != 40 {
		t.Fatalf("ended as %v with %d holders, want 40", sum.Outcomes, len(ledger.Holders))
	}
	emails := map[string]string{}
	for _, h := range ledger.Holders {
		emails[h.ID] = h.Email
	}
	jobs := b.jobs(order)
	for _, r := range ledger.Received(sandbox.OpRegister) {
		var i int
		if _, err := fmt.Sscanf(r.Domain, "shop-%d.nl", &i); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("joost.Jansen%d@example.nl", i%40); emails[r.Holder] != want || jobs[r.Domain].HolderID != r.Holder {
			t.Errorf("%s went to %q, known as %q, want %q", r.Domain, emails[r.Holder], jobs[r.Domain].HolderID, want)
		}
	}
	_, calls, err := b.store.Orders.FindJob(t.Context(), jobs["shop-0119.nl"].ID)
	if err != nil {
		t.Fatal(err)
	}
	ops := map[record.Op]int{}
	for _, c := range calls {
		ops[c.Op]++
	}
	if ops[record.OpHolder] > 2 || ops[record.OpCheck] == 0 || ops[record.OpRegister] != 1 {
		t.Errorf("calls of one job: %v, want at most the two about its holder", ops)
	}
	b.invariants()
}

func TestHolderIsFoundByEmail(t *testing.T) {
	t.Parallel()
	other := upstreamHolder("H-other", "Jansen")
	other.Street = "Dorpsstraat"
	for name, tc := range map[string]struct {
		known   sandbox.Holder
		created int
	}{
		"the same":      {upstreamHolder("H-known", "Jansen"), 0},
		"somebody else": {other, 1},
		"nobody":        {upstreamHolder("H-far", "Pietersen"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{Holders: []sandbox.Holder{tc.known}})
			b.work(b.options())
			b.settled(b.submitHolders("r", names("shop", 60), always("Jansen")))
			created := b.sandbox.Ledger().Holders
			if len(created) != tc.created {
				t.Fatalf("%d holders were created, want %d", len(created), tc.created)
			}
			if want := tc.known.ID; tc.created == 0 {
				b.wantHolder(want)
			} else {
				b.wantHolder(created[0].ID)
			}
			b.invariants()
		})
	}
}

// What the upstream refuses ends every job of that holder, in its words, after one try. Another holder goes through.
func TestHolderIsRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnprocessableEntity, http.StatusBadRequest} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{Holders: []sandbox.Holder{upstreamHolder("H-known", "Pietersen")}})
			b.inject(sandbox.Fault{Op: sandbox.OpHolder, Kind: sandbox.KindStatus, Status: status,
				Message: "postalcode 1234 AB of joost.Jansen@example.nl is not in Zonnedorp", Skip: 1})
			o := b.options()
			b.work(o)
			first := b.submitHolders("r", names("shop", 130), always("Jansen"))
			sum := b.settled(first)[0]
			if sum.Outcomes[record.Rejected] != 130 {
				t.Errorf("ended as %v %v, want all rejected", sum.Counts, sum.Outcomes)
			}
			if n := calls(b.sandbox.Ledger(), sandbox.OpHolder); n != 2 {
				t.Errorf("%d calls about the holder, want a search and a creation", n)
			}
			for _, j := range b.jobs(first) {
				if want := "the holder was refused: postalcode [personal] of [e-mail] is not in [personal]"; j.LastError != want {
					t.Fatalf("%s: %q, want %q", j.Domain, j.LastError, want)
				}
			}
			if n := calls(b.sandbox.Ledger(), sandbox.OpWhois); n > 0 {
				t.Errorf("%d WHOIS calls for domains without a holder", n)
			}
			// Ordered anew, they are tried anew; and one refused holder never stops another of the same batch.
			second := b.submitHolders("anew", names("shop", 40), func(i int) string { return []string{"Jansen", "Pietersen"}[i%2] })
			if sum := b.settled(second)[0]; sum.Outcomes[record.Registered] != 40 {
				t.Errorf("ended as %v %v, want all registered", sum.Counts, sum.Outcomes)
			}
			b.invariants()
		})
	}
}

// However the answer to a creation gets lost, the upstream is searched before anybody is created again.
func TestCreationWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"line cut after the effect":  {Kind: sandbox.KindCut, Effect: sandbox.EffectAll},
		"line cut before the effect": {Kind: sandbox.KindReset, Effect: sandbox.EffectNone},
		"500 after the effect":       {Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Effect: sandbox.EffectAll},
		"a web page":                 {Kind: sandbox.KindHTML},
		"truncated":                  {Kind: sandbox.KindTruncate},
		"no answer":                  {Kind: sandbox.KindBlackHole, Effect: sandbox.EffectAll},
		// It takes effect after the line broke, and before the call's own time is over.
		"a late effect": {Kind: sandbox.KindCut, Effect: sandbox.EffectLate, Delay: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			fault.Op, fault.Skip = sandbox.OpHolder, 1
			b.inject(fault)
			for _, name := range []string{"one", "two"} {
				o := b.options()
				o.Name, o.UpstreamTimeout = name, time.Second
				b.work(o)
			}
			sum := b.settled(b.submitHolders("r", names("shop", 150), always("Jansen")))[0]
			if sum.Outcomes[record.Registered] != 150 {
				t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
			}
			b.wantOneHolder()
			b.invariants()
		})
	}
}

// What is wrong with the account, or with the upstream for a while, is not the holder's fault.
func TestHolderCallGoneWrong(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"401":              {Kind: sandbox.KindStatus, Status: http.StatusUnauthorized},
		"402":              {Kind: sandbox.KindStatus, Status: http.StatusPaymentRequired},
		"405":              {Kind: sandbox.KindStatus, Status: http.StatusMethodNotAllowed},
		"404 without body": {Kind: sandbox.KindStatus, Status: http.StatusNotFound, Bare: true},
		"429":              {Kind: sandbox.KindStatus, Status: http.StatusTooManyRequests},
		"500, again":       {Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Count: 3},
		"503 with a time":  {Kind: sandbox.KindStatus, Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
	} {
		for skip, call := range []string{"search", "creation"} {
			t.Run(name+" to the "+call, func(t *testing.T) {
				t.Parallel()
				b := setup(t, sandbox.Options{})
				injected := fault
				injected.Op, injected.Skip = sandbox.OpHolder, skip
				b.inject(injected)
				o := b.options()
				o.UpstreamTimeout = time.Second
				b.work(o)
				sum := b.settled(b.submitHolders("r", names("shop", 60), always("Jansen")))[0]
				if sum.Outcomes[record.Registered] != 60 {
					t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
				}
				if created := b.sandbox.Ledger().Holders; len(created) != 1 {
					t.Errorf("%d holders were created, want 1", len(created))
				}
				if n := b.sql(`SELECT count(*) FROM jobs WHERE attempts > 1`); n > 0 {
					t.Errorf("it used up attempts of %d jobs", n)
				}
				b.invariants()
			})
		}
	}
}

// A holder that nobody answers for ends its jobs after as many tries as there may be, whatever their number.
func TestHolderIsExhausted(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.inject(sandbox.Fault{Op: sandbox.OpHolder, Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Message: "oops", Count: sandbox.Always})
	o := b.options()
	o.MaxAttempts = 3
	b.work(o)
	order := b.submitHolders("r", names("shop", 130), always("Jansen"))
	if sum := b.settled(order)[0]; sum.Outcomes[record.Exhausted] != 130 {
		t.Errorf("ended as %v %v, want all exhausted", sum.Counts, sum.Outcomes)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpHolder); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
	if j := b.jobs(order)["shop-0000.nl"]; j.LastError != "the holder could not be had: oops" {
		t.Errorf("the job says %q", j.LastError)
	}
}

// A worker dies with a holder in its hands, perhaps created. The next one waits, and searches first.
func TestHolderOfADeadWorker(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	order := b.submitHolders("r", names("shop", 20), always("Jansen"))
	claim := holders.Claim{ID: newID(), Key: int64(b.sql(`SELECT id FROM holders`)), Lease: time.Second}
	if h, err := b.store.Holders.ClaimHolder(t.Context(), claim); err != nil || !h.Claimed {
		t.Fatalf("%v, %v", h, err)
	}
	if err := b.store.Holders.StartCreation(t.Context(), claim.Key, claim.ID, time.Second, time.Second); err != nil {
		t.Fatal(err)
	}
	reply, err := b.client().CreateHolder(t.Context(), registrar.Holder{
		FirstName: "Joost", LastName: "Jansen", Email: "joost.Jansen@example.nl", Phone: "+31612345678",
		Street: "Kerkstraat", HouseNumber: "12", PostalCode: "1234 AB", City: "Zonnedorp", Country: "NL",
	})
	if err != nil {
		t.Fatal(err)
	}
	b.work(b.options())
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 20 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	b.wantOneHolder()
	b.wantHolder(reply.Holder.ID)
	b.invariants()
}

// A worker that is stopped while its holder is being created gives the jobs back, and nothing is lost.
func TestWorkerStoppedDuringACreation(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	gate := b.sandbox.Hold(sandbox.OpHolder, sandbox.BeforeReply)
	stop := b.work(b.options())
	order := b.submitHolders("r", names("shop", 90), always("Jansen"))
	<-gate.Held()
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	second := b.options()
	second.Name = "second"
	b.work(second)
	gate.Release()
	<-stopped
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 90 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	b.wantOneHolder()
	b.invariants()
}

// A worker is slow with a holder, for want of a free slot, say: when it is about to create it, its claim has passed, or
// somebody else has taken over. That is no failed try, neither of the holder nor of its jobs.
func TestHolderClaimHasEnded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"passed":     `UPDATE holders SET lease_until = now() RETURNING 1`,
		"taken over": `UPDATE holders SET claim_id = gen_random_uuid(), lease_until = now() + interval '1 second' RETURNING 1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			gate := b.sandbox.Hold(sandbox.OpHolder, sandbox.BeforeReply)
			o := b.options()
			o.MaxAttempts = 1
			b.work(o)
			order := b.submitHolders("r", names("shop", 60), always("Jansen"))
			<-gate.Held()
			b.sql(change)
			gate.Release()
			if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 60 {
				t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
			}
			b.wantOneHolder()
			if n := b.sql(`SELECT count(*) FROM jobs WHERE attempts > 1`) + b.sql(`SELECT sum(failures) FROM holders`); n > 0 {
				t.Errorf("it was counted as a try %d times", n)
			}
			b.invariants()
		})
	}
}

// The digest that the worker compares with is the one that orders come with.
func TestHolderKeyedByContent(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.submitHolders("r", names("shop", 3), func(i int) string { return []string{"Jansen", "JANSEN", "Pietersen"}[i] })
	if n := b.sql(`SELECT count(*) FROM holders`); n != 2 {
		t.Errorf("%d holders, want 2", n)
	}
	if n := b.sql(`SELECT count(*) FROM holders WHERE length(digest) = $1`, sha256.Size); n != 2 {
		t.Errorf("%d digests", n)
	}
}
