package worker

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/fleet"
)

// surveyor reads what the database says of everybody's work, for whoever measures it. Every worker runs one, and the eldest of all
// that are alive reads; the others only look whether they are the eldest by now. Nobody keeps a lock or a connection for it.
type surveyor struct {
	store *store.Store
	name  string
	tell  func(*fleet.Figures) // nil: nobody wants to know
	down  outage
}

// surveyEvery is how old figures may get. A fleet at rest is quiet: what waits for minutes is soon enough seen so.
const surveyEvery = 30 * time.Second

func newSurveyor(o Options) *surveyor {
	return &surveyor{store: o.Store, name: o.Name, tell: o.Measures.Figures, down: outage{
		log: o.Log.With().Str("role", "surveyor").Logger(), what: "reading figures for metrics", troubles: o.troubles,
	}}
}

// run reads until ctx ends. What cannot be read is not told any more: nobody should take old figures for new ones.
func (s *surveyor) run(ctx context.Context) {
	if s.tell == nil {
		return
	}
	defer s.tell(nil)
	for pause(ctx, tick); ctx.Err() == nil; pause(ctx, surveyEvery) { // by then this worker has reported itself
		figures, err := s.look(ctx)
		s.down.note(ctx, err)
		s.tell(figures)
	}
}

// look reads the figures if that is for this worker to do; nil: it is not.
func (s *surveyor) look(ctx context.Context) (*fleet.Figures, error) {
	looking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	eldest, err := s.store.Fleet.Eldest(looking, s.name)
	if err != nil || !eldest {
		return nil, err
	}
	figures, err := s.store.Fleet.Figures(looking)
	if err != nil {
		return nil, err
	}
	return &figures, nil
}
