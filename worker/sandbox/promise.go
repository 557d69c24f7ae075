package sandbox

import (
	"net/http"
	"sync"
	"time"
)

const wordPending = "pending"

// promise is what is said of items that nothing speaks against, instead of that they are registered.
type promise struct {
	word   string // "" for none
	most   int    // items of a call
	effect Effect // EffectNone, EffectAll or EffectLate
	after  time.Duration
}

// promise is what a fault of KindPending makes of items.
func (f Fault) promise() promise {
	word := f.Word
	if word == "" {
		word = wordPending
	}
	return promise{word: word, most: max(f.Items, 1), effect: f.effect(), after: f.Delay}
}

// of is the promise about one item, of whose call so many were promised before: a label's, or else a fault's.
func (p promise) of(label string, before int, o Options) promise {
	switch {
	case label == labelPending:
		return promise{word: wordPending, effect: EffectLate, after: o.LagTime}
	case label == labelPendingOnly:
		return promise{word: wordPending, effect: EffectNone}
	case before >= p.most:
		return promise{}
	}
	return p
}

// laterItem is an item that is carried out some time after its call was answered.
type laterItem struct {
	item  int // its index
	after time.Duration
}

// accept puts on record that items of a call are said to follow, and how many of them really do. The caller holds the
// lock.
func (b *books) accept(c *Call, items []int, later int) error {
	if len(items) == 0 {
		return nil
	}
	if err := b.file.write(event{Event: eventAccept, Seq: c.Seq, Accepted: items}); err != nil {
		return err
	}
	c.enterAccepted(items)
	b.later += later
	return nil
}

func (c *Call) enterAccepted(items []int) {
	for _, i := range items {
		c.Items[i].Accepted = true
	}
}

// acceptCall is accept for a whole call that is answered 202. Items that its results call failed are not accepted.
func (b *books) acceptCall(c *Call, results []result, f Fault) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.Op != OpRegister {
		return nil
	}
	failed := map[string]bool{}
	for _, r := range results {
		if f.Message == "" && r.Status == statusFailed {
			failed[r.Domain] = true
		}
	}
	var items []int
	for i := range c.Items {
		if !failed[c.Items[i].Domain] {
			items = append(items, i)
		}
	}
	later := 0
	if f.effect() == EffectLate {
		later = len(c.Items)
	}
	return b.accept(c, items, later)
}

// fulfil carries out one item that was promised, if that is still possible. One whose domain was sent and registered in the
// meantime counts as a resend.
func (b *books) fulfil(c *Call, item int, w registration, o Options) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.later--
	domain := c.Items[item].Domain
	var paid, resent []int
	_, ours := b.registered[domain]
	if ours {
		resent = []int{item}
	}
	if b.refuseItem(c.Account, &w, domain, true, ours, o) == nil && b.cannotPay(c.Account, 1) == nil {
		paid = []int{item}
	}
	if len(paid)+len(resent) == 0 {
		return
	}
	at := b.clock()
	if b.file.write(event{Event: eventPaid, Seq: c.Seq, At: at, Paid: paid, Resent: resent}) == nil { // close reports why not
		b.enterEffects(c, at, paid, resent)
	}
}

// keepPromise carries a call out that was answered 202 before, where its fault says so.
func (s *Sandbox) keepPromise(c *Call, t task, f Fault) {
	if f.effect() != EffectLate {
		return
	}
	s.afterwards(f.Delay, func() {
		t.run(c, extent{items: len(t.items)})
		s.books.kept(c)
	})
}

// kept notes that a call which was accepted as a whole has been carried out.
func (b *books) kept(c *Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.Op == OpRegister {
		b.later -= len(c.Items)
	}
}

// acceptedMessage is the 202 of a call.
func (f Fault) acceptedMessage(op Op, a answer) message {
	if f.Message == "" && a.results != nil {
		m := render(op, a)
		m.status = http.StatusAccepted
		return m
	}
	text := f.Message
	if text == "" {
		text = "accepted, to be carried out later"
	}
	return jsonMessage(http.StatusAccepted, errorBody(op, failure{http.StatusAccepted, text}))
}

// background is what goes on after its request was answered.
type background struct {
	mu     sync.Mutex
	ended  bool
	active sync.WaitGroup
}

// run starts f, unless the sandbox is closed.
func (b *background) run(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.active.Go(f)
	}
}

func (b *background) wait() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.active.Wait()
}

// afterwards calls f once so much time has passed, unless the sandbox is closed before.
func (s *Sandbox) afterwards(d time.Duration, f func()) {
	s.background.run(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			f()
		case <-s.done:
		}
	})
}
