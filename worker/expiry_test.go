package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// What a producer gave a deadline that has passed is not carried out, is said once, and ends in the archive.
func TestExpiredTasksAreToldOf(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	var log lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&log)
	client := b.asynqClient()
	for i, options := range [][]asynq.Option{
		{asynq.MaxRetry(0), asynq.Deadline(time.Now().Add(-time.Hour))}, {asynq.MaxRetry(2), asynq.Deadline(time.Now().Add(-time.Hour))},
	} {
		payload := fmt.Appendf(nil, `{"order":"late-%d","source":"shop","jobs":[{"domain":"late-%d.nl","holder_id":"H-1"}]}`, i, i)
		if _, err := client.Enqueue(asynq.NewTask(queue.TypeRegister, payload), append(options, asynq.Queue("register"))...); err != nil {
			t.Fatal(err)
		}
	}
	b.work(o)
	b.archived("register", 2)
	if n := b.sql(`SELECT count(*) FROM jobs`); n != 0 {
		t.Errorf("%d jobs", n)
	}
	if n := strings.Count(log.String(), `"reason":"expired"`); n != 2 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}
