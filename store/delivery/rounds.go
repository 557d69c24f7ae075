package delivery

import (
	"github.com/bulkreg/bulkreg/store/record"
)

// share is what a source gets of a round, and what it has made of it.
type share struct {
	turn  int16 // the source's
	limit int
	found int // how much of the limit it has used; less: it has no more
	gave  int // how much of that counts
	taken []record.Delivery
	after int64 // the order behind which it goes on
}

// rounds deals a limit out to sources. Each gets the same share, and what some of them do not use goes to the others in another
// round.
type rounds struct {
	sources []int16 // in turn
	taken   map[int16][]record.Delivery
}

// run finds at most so many sources and lets them take their shares, until the limit is used up or nobody has anything left. Where
// it has found as many as it may, there can be others: it looks again.
func (r *rounds) run(limit int, find func(atMost int) ([]share, error), take func([]*share) error) error {
	for limit > 0 {
		found, err := find(limit)
		if err != nil || len(found) == 0 {
			return err
		}
		all := len(found) < limit
		used, left, err := r.deal(limit, found, take)
		if err != nil || all || used == 0 {
			return err
		}
		limit = left
	}
	return nil
}

// deal deals the limit out until it is used up, or these sources have nothing left.
func (r *rounds) deal(limit int, sources []share, take func([]*share) error) (used, left int, err error) {
	active := make([]*share, len(sources))
	for i := range sources {
		active[i] = &sources[i]
	}
	for limit > 0 && len(active) > 0 {
		round := active[:min(limit, len(active))]
		for i, s := range round {
			s.limit, s.found, s.gave, s.taken = limit/len(round), 0, 0, nil
			if i < limit%len(round) {
				s.limit++
			}
		}
		if err := take(round); err != nil {
			return used, limit, err
		}
		more := active[:0:0]
		for _, s := range round {
			r.add(s)
			used, limit = used+s.found, limit-s.gave
			if s.found >= s.limit {
				more = append(more, s)
			}
		}
		active = append(more, active[len(round):]...)
	}
	return used, limit, nil
}

func (r *rounds) add(s *share) {
	if len(s.taken) == 0 {
		return
	}
	if r.taken == nil {
		r.taken = map[int16][]record.Delivery{}
	}
	if r.taken[s.turn] == nil {
		r.sources = append(r.sources, s.turn)
	}
	r.taken[s.turn] = append(r.taken[s.turn], s.taken...)
}

// deliveries are those that were taken: the first of each source before the second one of any.
func (r *rounds) deliveries() []record.Delivery {
	var all []record.Delivery
	for i, more := 0, true; more; i++ {
		more = false
		for _, source := range r.sources {
			if of := r.taken[source]; i < len(of) {
				all, more = append(all, of[i]), true
			}
		}
	}
	return all
}
