package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// send is one register call of five domains.
func (b *bench) send(ctx context.Context) (reply, error) {
	return b.doAs(ctx, b.jwt, "POST", "/domain/bulk", registerBody("a.nl", "b.nl", "c.nl", "d.nl", "xn--caf-dma.nl"))
}

// sendThrough is send, by a client that gives up, if it is to, once the request has come to a point.
func (b *bench) sendThrough(point sandbox.Point, givesUp bool) (reply, error) {
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	gate := b.Hold(sandbox.OpRegister, point)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		<-gate.Held()
		gate.Release()
		if givesUp {
			cancel()
		}
	})
	return b.send(ctx)
}

func TestFaultsOfTheWholeReply(t *testing.T) {
	t.Parallel()
	const patient, hasty = false, true // does the client give up?
	documented := func(status int) func(*testing.T, *bench, reply, error) {
		return func(t *testing.T, b *bench, r reply, err error) {
			if err != nil {
				t.Fatal(err)
			}
			b.wantError(r, status)
		}
	}
	broken := func(t *testing.T, _ *bench, r reply, err error) {
		if !errors.Is(err, io.EOF) {
			t.Errorf("want a line cut before any byte, got %d %q, %v", r.status, r.body, err)
		}
	}
	unanswered := func(t *testing.T, _ *bench, r reply, err error) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("want no whole answer, got %d %q, %v", r.status, r.body, err)
		}
	}
	unread := func(kind string) func(*testing.T, *bench, reply, error) {
		return func(t *testing.T, _ *bench, r reply, err error) {
			if err != nil || r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), kind) {
				t.Errorf("%v, %d %v", err, r.status, r.header)
			}
		}
	}
	cases := []struct {
		name    string
		fault   sandbox.Fault
		givesUp bool
		paid    int
		check   func(*testing.T, *bench, reply, error)
	}{
		{"500 before", sandbox.Fault{Kind: sandbox.KindStatus, Status: 500}, patient, 0, documented(500)},
		{"500 after all", sandbox.Fault{Kind: sandbox.KindStatus, Status: 500, Effect: sandbox.EffectAll}, patient, 5, documented(500)},
		{"500 after two", sandbox.Fault{Kind: sandbox.KindStatus, Status: 500, Effect: sandbox.EffectFirst, K: 2}, patient, 2, documented(500)},
		{"402 before", sandbox.Fault{Kind: sandbox.KindStatus, Status: 402}, patient, 0, documented(402)},
		{"402 after two", sandbox.Fault{Kind: sandbox.KindStatus, Status: 402, Effect: sandbox.EffectFirst, K: 2}, patient, 2, documented(402)},
		{"401", sandbox.Fault{Kind: sandbox.KindStatus, Status: 401}, patient, 0, documented(401)},
		{"405", sandbox.Fault{Kind: sandbox.KindStatus, Status: 405}, patient, 0, documented(405)},
		{"422 after two", sandbox.Fault{Kind: sandbox.KindStatus, Status: 422, Effect: sandbox.EffectFirst, K: 2}, patient, 2, documented(422)},
		{"404 documented", sandbox.Fault{Kind: sandbox.KindStatus, Status: 404}, patient, 0, documented(404)},
		{"404 bare", sandbox.Fault{Kind: sandbox.KindStatus, Status: 404, Bare: true}, patient, 0, func(t *testing.T, _ *bench, r reply, err error) {
			if err != nil || r.status != 404 || json.Valid(r.body) {
				t.Errorf("%v, %d %s", err, r.status, r.body)
			}
		}},
		{"429", sandbox.Fault{Kind: sandbox.KindStatus, Status: 429, RetryAfter: 1500 * time.Millisecond}, patient, 0, func(t *testing.T, _ *bench, r reply, err error) {
			if err != nil || r.status != 429 || r.header.Get("Retry-After") != "2" {
				t.Errorf("%v, %d %v", err, r.status, r.header)
			}
		}},
		{"503 with a date", sandbox.Fault{Kind: sandbox.KindStatus, Status: 503, RetryAfter: time.Minute, RetryAfterDate: true}, patient, 0, func(t *testing.T, _ *bench, r reply, err error) {
			if _, bad := http.ParseTime(r.header.Get("Retry-After")); err != nil || r.status != 503 || bad != nil {
				t.Errorf("%v, %d %v, %v", err, r.status, r.header, bad)
			}
		}},
		{"redirect", sandbox.Fault{Kind: sandbox.KindStatus, Status: 307, Location: "/domain/bulk"}, patient, 0, func(t *testing.T, _ *bench, r reply, err error) {
			if err != nil || r.status != 307 || r.header.Get("Location") != "/domain/bulk" {
				t.Errorf("%v, %d %v", err, r.status, r.header)
			}
		}},
		{"own words", sandbox.Fault{Kind: sandbox.KindStatus, Status: 500, Message: "out of order"}, patient, 0, func(t *testing.T, _ *bench, r reply, err error) {
			if err != nil || r.json(t)["message"] != "out of order" {
				t.Errorf("%v, %s", err, r.body)
			}
		}},
		{"cut before", sandbox.Fault{Kind: sandbox.KindCut}, patient, 0, broken},
		{"cut after all", sandbox.Fault{Kind: sandbox.KindCut, Effect: sandbox.EffectAll}, patient, 5, broken},
		{"cut after two", sandbox.Fault{Kind: sandbox.KindCut, Effect: sandbox.EffectFirst, K: 2}, patient, 2, broken},
		{"reset", sandbox.Fault{Kind: sandbox.KindReset, Effect: sandbox.EffectAll}, patient, 5, func(t *testing.T, _ *bench, _ reply, err error) {
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("want a reset, got %v", err)
			}
		}},
		{"black hole", sandbox.Fault{Kind: sandbox.KindBlackHole}, hasty, 0, unanswered},
		{"black hole after all", sandbox.Fault{Kind: sandbox.KindBlackHole, Effect: sandbox.EffectAll}, hasty, 5, unanswered},
		{"trickle", sandbox.Fault{Kind: sandbox.KindTrickle}, hasty, 5, unanswered},
		{"trickle to the end", sandbox.Fault{Kind: sandbox.KindTrickle, Interval: time.Microsecond}, patient, 5, func(t *testing.T, _ *bench, r reply, err error) {
			if err != nil || len(r.results(t)) != 5 {
				t.Errorf("%v, %s", err, r.body)
			}
		}},
		{"slow", sandbox.Fault{Kind: sandbox.KindSlow, Delay: time.Hour}, hasty, 5, unanswered},
		{"truncated", sandbox.Fault{Kind: sandbox.KindTruncate}, patient, 5, func(t *testing.T, _ *bench, r reply, err error) {
			if !errors.Is(err, io.ErrUnexpectedEOF) || r.status != 200 || len(r.body) == 0 {
				t.Errorf("%v, %d %q", err, r.status, r.body)
			}
		}},
		{"half JSON", sandbox.Fault{Kind: sandbox.KindHalfJSON}, patient, 5, func(t *testing.T, _ *bench, r reply, err error) {
			if err != nil || r.status != 200 || len(r.body) == 0 || json.Valid(r.body) {
				t.Errorf("%v, %d %q", err, r.status, r.body)
			}
		}},
		{"HTML", sandbox.Fault{Kind: sandbox.KindHTML}, patient, 5, unread("text/html")},
		{"content type", sandbox.Fault{Kind: sandbox.KindContentType}, patient, 5, unread("text/plain")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			c.fault.Op = sandbox.OpRegister
			hit := b.inject(c.fault)
			r, err := b.sendThrough(sandbox.BeforeReply, c.givesUp)
			c.check(t, b, r, err)
			if hit.Fired() != 1 {
				t.Errorf("fired %d times", hit.Fired())
			}
			l := b.Ledger()
			if len(l.Received(sandbox.OpRegister)) != 5 || len(l.PaidDomains()) != c.paid {
				t.Errorf("received %d, paid %v, want %d paid", len(l.Received(sandbox.OpRegister)), l.PaidDomains(), c.paid)
			}
			if r, err := b.send(t.Context()); err != nil || r.status != 200 {
				t.Errorf("after the fault: %d, %v", r.status, err)
			}
		})
	}
}

func TestFaultsOfResults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		kind  sandbox.Kind
		op    sandbox.Op
		items int
		check func(names []string, lines []line) bool
	}{
		{sandbox.KindMissing, sandbox.OpRegister, 0, func(n []string, _ []line) bool { return len(n) == 4 }},
		{sandbox.KindMissing, sandbox.OpRegister, 9, func(n []string, _ []line) bool { return len(n) == 0 }},
		{sandbox.KindDoubled, sandbox.OpWhois, 2, func(n []string, _ []line) bool { return len(n) == 7 && len(distinct(n)) == 5 }},
		{sandbox.KindExtra, sandbox.OpRegister, 2, func(n []string, _ []line) bool { return len(n) == 7 && len(distinct(n)) == 7 }},
		{sandbox.KindUpper, sandbox.OpRegister, 3, func(n []string, _ []line) bool { return count(n, isUpper) == 3 }},
		{sandbox.KindUnicode, sandbox.OpWhois, 1, func(n []string, _ []line) bool { return slices.Contains(n, "café.nl") }},
		{sandbox.KindTaken, sandbox.OpWhois, 5, func(_ []string, l []line) bool { return !*l[0].Available && !*l[4].Available }},
	}
	for _, c := range cases {
		t.Run(string(c.op)+" "+string(c.kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			hit := b.inject(sandbox.Fault{Op: c.op, Kind: c.kind, Items: c.items})
			asked := []string{"a.nl", "b.nl", "c.nl", "d.nl", "xn--caf-dma.nl"}
			ask := map[sandbox.Op]func(...string) reply{sandbox.OpWhois: b.whois, sandbox.OpRegister: b.register}[c.op]
			lines := ask(asked...).results(t)
			var names []string
			for _, l := range lines {
				names = append(names, l.Domain)
			}
			if !c.check(names, lines) || hit.Fired() != 1 {
				t.Errorf("fired %d, got %v", hit.Fired(), names)
			}
		})
	}
}

func distinct(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

func count(names []string, is func(string) bool) (n int) {
	for _, name := range names {
		if is(name) {
			n++
		}
	}
	return n
}

func isUpper(s string) bool { return s == strings.ToUpper(s) }

func TestWhoisWronglyFree(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindFree})
	if l := b.whois("taken-1.nl").result(t, "taken-1.nl"); !*l.Available {
		t.Errorf("%+v", l)
	}
}

func TestFaultAims(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	skipping := b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: 500, Skip: 1, Count: 2, Domain: "Aim.nl"})
	other := b.inject(sandbox.Fault{Op: sandbox.OpAny, Kind: sandbox.KindStatus, Status: 500, Account: "somebody", Count: sandbox.Always})
	var got []int
	for range 5 {
		got = append(got, b.whois("aim.nl").status, b.whois("other.nl").status)
	}
	if want := []int{200, 200, 500, 200, 500, 200, 200, 200, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
	if skipping.Fired() != 2 || other.Fired() != 0 {
		t.Errorf("fired %d and %d", skipping.Fired(), other.Fired())
	}
	always := b.inject(sandbox.Fault{Op: sandbox.OpAny, Kind: sandbox.KindStatus, Status: 503, Count: sandbox.Always})
	b.wantError(b.whois("a.nl"), 503)
	b.wantError(b.whois("a.nl"), 503)
	always.Remove()
	if r := b.whois("a.nl"); r.status != 200 || always.Fired() != 2 {
		t.Errorf("after Remove: %d, fired %d", r.status, always.Fired())
	}
}

func TestFaultThatCannotShowDoesNotFire(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	missing := b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindMissing})
	unicode := b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindUnicode})
	b.wantError(b.register("poison-1.nl"), 422)
	free := b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindFree})
	b.whois("ascii.nl")
	if missing.Fired() != 0 || unicode.Fired() != 0 || free.Fired() != 0 {
		t.Errorf("fired %d, %d and %d", missing.Fired(), unicode.Fired(), free.Fired())
	}
	if n := len(b.register("a.nl", "b.nl").results(t)); n != 1 || missing.Fired() != 1 {
		t.Errorf("%d results, fired %d", n, missing.Fired())
	}
}

func TestLateEffect(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	received, settled := b.Hold(sandbox.OpRegister, sandbox.BeforeEffect), b.Hold(sandbox.OpRegister, sandbox.BeforeReply)
	b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindBlackHole, Effect: sandbox.EffectLate})
	ctx, giveUp := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer giveUp()
	defer settled.Release()
	group.Go(func() {
		if _, err := b.send(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a black hole answered: %v", err)
		}
	})
	<-received.Held()
	received.Release()
	select {
	case <-settled.Held():
		t.Fatal("the effect came while the client was there")
	case <-time.After(30 * time.Millisecond):
	}
	giveUp()
	<-settled.Held()
	b.wantPaid("a.nl", 1)
}

func TestDelays(t *testing.T) {
	t.Parallel()
	const delay = 30 * time.Millisecond
	slow := setup(t, sandbox.Options{Latency: sandbox.Latency{Whois: delay}})
	for name, f := range map[string]sandbox.Fault{
		"slow":        {Kind: sandbox.KindSlow, Delay: delay},
		"slow late":   {Kind: sandbox.KindSlow, Delay: delay, Effect: sandbox.EffectLate},
		"status":      {Kind: sandbox.KindStatus, Status: 500, Delay: delay},
		"of a result": {Kind: sandbox.KindMissing, Delay: delay},
	} {
		b := setup(t, sandbox.Options{})
		f.Op = sandbox.OpRegister
		b.inject(f)
		start := time.Now()
		b.register("a.nl", "b.nl")
		if took := time.Since(start); took < delay {
			t.Errorf("%s: took %s", name, took)
		}
	}
	start := time.Now()
	slow.whois("a.nl")
	if took := time.Since(start); took < delay {
		t.Errorf("latency: took %s", took)
	}
}

func TestFaultOfEveryOperation(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	paths := map[sandbox.Op][2]string{
		sandbox.OpAuthenticate: {"POST", "/authenticate"},
		sandbox.OpWhois:        {"GET", "/whois/a.nl"},
		sandbox.OpRegister:     {"POST", "/domain"},
		sandbox.OpHolder:       {"PATCH", "/domainholder/x"},
	}
	for op, p := range paths {
		hit := b.inject(sandbox.Fault{Op: op, Kind: sandbox.KindStatus, Status: 500})
		b.wantError(b.must(p[0], p[1], nil), 500)
		if hit.Fired() != 1 {
			t.Errorf("%s fired %d times", op, hit.Fired())
		}
	}
	b.inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindStatus, Status: 503})
	r, err := b.doAs(t.Context(), sandbox.DefaultAccessToken, "POST", sandbox.TokenPath, nil)
	if err != nil || r.status != 503 || r.json(t)["status"] != 503.0 || r.json(t)["error"] == nil {
		t.Errorf("%v, %d %s: not GetToken's error body", err, r.status, r.body)
	}
}

func TestInvalidFaults(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	cases := map[string]sandbox.Fault{
		"no op":           {Kind: sandbox.KindCut},
		"unknown op":      {Op: "transfer", Kind: sandbox.KindCut},
		"no kind":         {Op: sandbox.OpAny},
		"unknown kind":    {Op: sandbox.OpAny, Kind: "explode"},
		"unknown effect":  {Op: sandbox.OpAny, Kind: sandbox.KindCut, Effect: "some"},
		"status 200":      {Op: sandbox.OpAny, Kind: sandbox.KindStatus, Status: 200},
		"no k":            {Op: sandbox.OpAny, Kind: sandbox.KindCut, Effect: sandbox.EffectFirst},
		"lying":           {Op: sandbox.OpAny, Kind: sandbox.KindTruncate, Effect: sandbox.EffectNone},
		"slow at once":    {Op: sandbox.OpAny, Kind: sandbox.KindSlow},
		"no results":      {Op: sandbox.OpHolder, Kind: sandbox.KindMissing},
		"free to have":    {Op: sandbox.OpRegister, Kind: sandbox.KindFree},
		"negative skip":   {Op: sandbox.OpAny, Kind: sandbox.KindCut, Skip: -1},
		"below always":    {Op: sandbox.OpAny, Kind: sandbox.KindCut, Count: -2},
		"negative delays": {Op: sandbox.OpAny, Kind: sandbox.KindCut, Delay: -1},
	}
	for name, f := range cases {
		if _, err := b.Inject(f); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
