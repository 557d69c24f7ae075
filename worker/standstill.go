package worker

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/rs/zerolog"
)

// longSlotWait is for how long jobs have to wait for a call slot before the log has it.
const longSlotWait = time.Minute

// standstill tells the log why work does not move in this worker, when that begins and when it is over, and not each time that
// somebody looks. It is safe for concurrent use; nil tells nothing.
type standstill struct {
	log       zerolog.Logger
	mu        sync.Mutex
	pipelines map[pipelineName]pipelineStill
	stopped   map[string]holds.Stopped // by account
}

// pipelineName is one kind and account.
type pipelineName struct {
	kind    record.Kind
	account string
}

// pipelineStill is what the log has of a pipeline.
type pipelineStill struct {
	paused []string // queues, in alphabetical order
	slots  bool     // jobs wait long for a slot
}

func newStandstill(log zerolog.Logger) *standstill {
	return &standstill{log: log, pipelines: map[pipelineName]pipelineStill{}, stopped: map[string]holds.Stopped{}}
}

// NotePipeline takes in how a pipeline stands: its queues that somebody has paused from outside, how many jobs wait in this worker for a
// call slot, and for how long the first of them has.
func (s *standstill) NotePipeline(kind record.Kind, account string, paused []string, waiting int, waited time.Duration) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := pipelineName{kind, account}
	was, is := s.pipelines[name], pipelineStill{paused: slices.Sorted(slices.Values(paused)), slots: waiting > 0 && waited >= longSlotWait}
	s.pipelines[name] = is
	log := s.log.With().Str("kind", string(kind)).Str("account", account).Logger()
	switch queues := strings.Join(is.paused, ", "); {
	case slices.Equal(was.paused, is.paused):
	case len(is.paused) == 0:
		log.Info().Str("queues", strings.Join(was.paused, ", ")).Msg("nobody pauses the queue in Redis any more; going on")
	default:
		log.Warn().Str("queues", queues).Msg("somebody paused the queue in Redis; its jobs wait until it goes on there")
	}
	switch {
	case is.slots && !was.slots:
		log.Warn().Int("jobs", waiting).Dur("waited", waited).Msg("jobs wait long for a call slot: the upstream is slow, or the calls in flight are few")
	case was.slots && !is.slots:
		log.Info().Msg("jobs do not wait long for a call slot any more")
	}
}

// NoteHolds takes in what holds stop of an account.
func (s *standstill) NoteHolds(account string, is holds.Stopped) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.stopped[account]
	s.stopped[account] = is
	log := s.log.With().Str("account", account).Logger()
	switch {
	case is == was:
	case is == holds.Stopped{}:
		log.Info().Msg("no hold stops the account any more")
	case is.All:
		log.Warn().Msg("the account stands still: it is on hold")
	default:
		log.Warn().Msg("the account's registrations stand still: they are on hold")
	}
}
