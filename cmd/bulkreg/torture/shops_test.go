package torture

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// shops are order systems that order over HTTP again and again, and never try again: each order must be accepted at once.
type shops struct {
	front  *service
	key    string
	ended  chan struct{}
	open   sync.WaitGroup
	orders atomic.Int64

	mu       sync.Mutex
	accepted []string // references
	refused  []error
}

const (
	shopsAtOnce = 4
	shopPause   = 200 * time.Millisecond
)

// openShops has order systems order until closeShops.
func (w *world) openShops(front *service) *shops {
	w.t.Helper()
	s := &shops{front: front, key: w.apiKey(keys.Limits{}), ended: make(chan struct{})}
	for range shopsAtOnce {
		s.open.Go(func() {
			for {
				reference, body := s.next()
				p, err := front.pick()
				if err == nil {
					err = s.give(p, strings.NewReader(body))
				}
				s.note(reference, err)
				select {
				case <-s.ended:
					return
				case <-w.t.Context().Done():
					return
				case <-time.After(shopPause):
				}
			}
		})
	}
	return s
}

// next is the next order: three registrations, or four checks.
func (s *shops) next() (reference, body string) {
	n := s.orders.Add(1)
	reference = fmt.Sprintf("order-%d", n)
	label := fmt.Sprintf("shop%d", n)
	if n%2 == 0 {
		return reference, fmt.Sprintf(`{"reference":%q,"kind":"whois","jobs":["%s"]}`, reference, strings.Join(names(label, 4), `","`))
	}
	return reference, fmt.Sprintf(`{"reference":%q,"kind":"register","holder_id":%q,"jobs":["%s"]}`,
		reference, sandbox.DefaultHolder, strings.Join(names(label, 3), `","`))
}

// give gives an order to an API. Its error is whatever is not the order's acceptance.
func (s *shops) give(p *pod, body io.Reader, header ...string) error {
	got, err := door{url: "http://" + p.addr(apiListens), key: s.key}.send(body, header...)
	if err == nil && (got.status != http.StatusAccepted || got.Repeat) {
		err = fmt.Errorf("answered with %+v", got)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

func (s *shops) note(reference string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.refused = append(s.refused, fmt.Errorf("%s: %w", reference, err))
		return
	}
	s.accepted = append(s.accepted, reference)
}

// closeShops has no more ordered, and sees that no order was refused.
func (w *world) closeShops(s *shops) {
	w.t.Helper()
	close(s.ended)
	s.open.Wait()
	for _, err := range s.refused {
		w.t.Errorf("refused: %v", err)
	}
	for _, reference := range s.accepted {
		order, err := w.store.Orders.Find(w.t.Context(), "torture", reference)
		if err != nil {
			w.t.Fatalf("%s was accepted: %v", reference, err)
		}
		w.orders = append(w.orders, order)
	}
	w.t.Logf("%d orders were accepted", len(s.accepted))
	w.proveCount("orders given meanwhile", len(s.accepted)-replicas*shopsAtOnce)
}

// lateOrder is an order of which an API has read the first half.
type lateOrder struct {
	halves []string
	begun  chan struct{} // the API reads
	goOn   chan struct{}
	told   chan struct{} // it is answered
}

// Read gives a half at a time, and the second one only when it is told to.
func (l *lateOrder) Read(p []byte) (int, error) {
	switch len(l.halves) {
	case 0:
		return 0, io.EOF
	case 1:
		<-l.goOn
	case 2:
		close(l.begun)
	}
	n := copy(p, l.halves[0])
	l.halves = l.halves[1:]
	return n, nil
}

// beginOrder gives the first half of an order to an API.
func (s *shops) beginOrder(w *world, p *pod) *lateOrder {
	w.t.Helper()
	reference, body := s.next()
	l := &lateOrder{
		halves: []string{body[:len(body)/2], body[len(body)/2:]}, begun: make(chan struct{}), goOn: make(chan struct{}), told: make(chan struct{}),
	}
	s.open.Go(func() {
		defer close(l.told)
		s.note(reference, s.give(p, l, "Expect", "100-continue"))
	})
	select {
	case <-l.begun:
	case <-l.told:
	case <-time.After(w.patience):
		w.t.Fatal("the API reads no order")
	}
	return l
}

// finish gives the second half, and waits for the answer.
func (l *lateOrder) finish() {
	close(l.goOn)
	<-l.told
}
