package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
)

// misfit says why a task is turned away: nobody can carry it out, and no redelivery changes that. Asynq keeps the task in its
// archive then, with the text of this error.
type misfit struct {
	reason misfitReason
	err    error
}

// misfitReason is one of a few words, to count by.
type misfitReason string

const (
	misfitType      misfitReason = "type"      // of another kind than its queue, or another program's
	misfitQueue     misfitReason = "queue"     // a producer's in an account's queue, another account's there, or a delivery in a producer's
	misfitVersion   misfitReason = "version"   // a payload of another time
	misfitPayload   misfitReason = "payload"   // no chunk
	misfitSignature misfitReason = "signature" // not known to be its source's
	misfitOrder     misfitReason = "order"     // contradicts the order that it names
	misfitJob       misfitReason = "job"       // a job of it has the id of another one
	misfitExpired   misfitReason = "expired"   // past the time that its producer gave it
	misfitLost      misfitReason = "lost"      // lost its worker, and had no tries left
	misfitDatabase  misfitReason = "database"  // Postgres refuses its rows
)

func (m *misfit) Error() string { return m.err.Error() }

func (m *misfit) Unwrap() []error { return []error{m.err, asynq.SkipRetry} }

// readTask reads the chunk of a task that came out of a queue of the given kind. A registration costs money, so that the queue
// alone does not make a task one: its type must say the same. Its error is a *misfit.
func readTask(kind queue.Kind, t *asynq.Task) (queue.Chunk, error) {
	if t.Type() != kind.TaskType() {
		return queue.Chunk{}, &misfit{misfitType, fmt.Errorf("a task of type %s in a queue for %s", shownType(t.Type()), kind.TaskType())}
	}
	chunk, err := queue.DecodeChunk(t.Payload())
	if err == nil {
		err = chunk.CheckKind(kind)
	}
	if err == nil {
		return chunk, nil
	}
	reason := misfitPayload
	if bad := (*queue.PayloadError)(nil); errors.As(err, &bad) && bad.UnknownVersion {
		reason = misfitVersion
	}
	return queue.Chunk{}, &misfit{reason, err}
}

// shownType bounds the type of a task: anybody may have written it.
func shownType(name string) string {
	const longest = 40
	if len(name) > longest {
		return fmt.Sprintf("%.*q…", longest, name)
	}
	return fmt.Sprintf("%q", name)
}

// unadoptable makes a *misfit of an error for which the rows of a chunk will never be written. Others pass.
func unadoptable(err error) error {
	switch {
	case errors.As(err, new(*record.ReferenceConflictError)):
		return &misfit{misfitOrder, err}
	case errors.As(err, new(*pg.JobTakenError)):
		return &misfit{misfitJob, err}
	case errors.As(err, new(*pg.Error)):
		return &misfit{misfitDatabase, err}
	}
	return err
}

// turnedAway counts the tasks that were turned away, by reason. The zero value is ready.
type turnedAway struct {
	mu     sync.Mutex
	counts map[misfitReason]int
}

func (t *turnedAway) count(reason misfitReason) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[reason]
}

func (t *turnedAway) add(reason misfitReason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[misfitReason]int{}
	}
	t.counts[reason]++
}

// note counts a task that err turns away and writes it into the log, without its payload. It passes err on, to Asynq.
func (t *turnedAway) note(ctx context.Context, log zerolog.Logger, task *asynq.Task, err error) error {
	var m *misfit
	if !errors.As(err, &m) {
		return err
	}
	t.add(m.reason)
	id, _ := asynq.GetTaskID(ctx)
	name, _ := asynq.GetQueueName(ctx)
	log.Error().Err(m.err).Str("reason", string(m.reason)).Str("task", id).Str("queue", name).Int("bytes", len(task.Payload())).
		Msg("turned a task away: it was not carried out, and stays in Asynq's archive")
	return err
}
