package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// upstreamLogEvery is how often one operation's failures are logged at most.
const upstreamLogEvery = time.Minute

// upstreamLog tells the log that an account's upstream fails and why, at most once in upstreamLogEvery for each operation, and
// once that it answers again. It never quotes the upstream, whose words may be about a holder: those are with the calls in
// Postgres. It is safe for concurrent use.
type upstreamLog struct {
	log   zerolog.Logger // has the account
	clock func() time.Time
	mu    sync.Mutex
	ops   map[record.Op]*opFailures
}

// opFailures is how the calls of one operation fail.
type opFailures struct {
	since  time.Time // of the first failure; zero while it answers
	failed int       // calls since then
	logged time.Time // when a failure was logged last
	quiet  int       // calls that failed since the last line
	told   bool      // the log has it that it fails
}

func newUpstreamLog(log zerolog.Logger, clock func() time.Time) *upstreamLog {
	return &upstreamLog{log: log, clock: clock, ops: map[record.Op]*opFailures{}}
}

// Note takes in how a call ended: with its HTTP status, 0 where none arrived, and its error, nil if it did what was asked. A
// refusal is an answer. Calls that were not sent because this worker is stopping are none of the upstream's.
func (u *upstreamLog) Note(op record.Op, status int, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.ops[op]
	if f == nil {
		f = &opFailures{}
		u.ops[op] = f
	}
	if err == nil || answers(status) {
		u.answered(op, f)
		return
	}
	u.failed(op, f, status, err)
}

func (u *upstreamLog) failed(op record.Op, f *opFailures, status int, err error) {
	now := u.clock()
	if f.since.IsZero() {
		f.since = now
	}
	f.failed++
	f.quiet++
	if !f.logged.IsZero() && now.Sub(f.logged) < upstreamLogEvery {
		return
	}
	u.log.Warn().Str("op", string(op)).Int("status", status).Str("why", whyFailed(status, err)).Int("calls", f.quiet).
		Msg("the upstream fails")
	f.logged, f.quiet, f.told = now, 0, true
}

func (u *upstreamLog) answered(op record.Op, f *opFailures) {
	if f.told {
		u.log.Info().Str("op", string(op)).Int("calls", f.failed).Dur("after", u.clock().Sub(f.since)).
			Msg("the upstream answers again")
	}
	f.since, f.failed, f.told = time.Time{}, 0, false
}

// Unconfirmed tells the log that jobs of a batch became unconfirmed, if any did.
func (u *upstreamLog) Unconfirmed(claim uuid.UUID, n int) {
	if n > 0 {
		u.log.Error().Stringer("claim", claim).Int("jobs", n).
			Msg("registrations are unconfirmed: sent without a definite answer, and WHOIS cannot settle it; a person must ask the registrar")
	}
}

// answers says whether a status is an answer, if not the wanted one.
func answers(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}

// whyFailed says in our own words why a call failed. The error's may quote the upstream.
func whyFailed(status int, err error) string {
	var auth *registrar.AuthError
	if errors.As(err, &auth) {
		return "no token: " + whyUnanswered(auth.Answer.Status, auth)
	}
	return whyUnanswered(status, err)
}

func whyUnanswered(status int, err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case status == http.StatusTooManyRequests:
		return "it asks for fewer calls"
	case status >= http.StatusMultipleChoices:
		return fmt.Sprintf("HTTP %d", status)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no whole answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke off"
	case errors.Is(err, registrar.ErrTooLarge):
		return "the answer is larger than allowed"
	case status != 0:
		return "the answer cannot be read"
	}
	return "no answer"
}
