package torture

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// hostileProducer knows the orders of others by name, and so the ids of their jobs. It writes whatever it likes into Redis while
// these orders wait and run.
func hostileProducer(w *world) {
	w.slowly(sandbox.OpWhois, "", 200*time.Millisecond)
	paid, checks := names("paid", 3*batchSize), names("check", 60)
	orders := []victim{
		{w.register("theirs", paid...), queue.Register, paid},
		{w.order(queue.Whois, "their checks", checks...), queue.Whois, checks},
	}
	w.worker()
	w.worker()
	written := 0
	for round := range 5 {
		for _, v := range orders {
			n, err := w.forge(v, round)
			if err != nil {
				w.t.Fatal(err)
			}
			written += n
		}
	}
	for _, v := range orders {
		w.misfit(queue.Queue(v.kind, queue.Plain), v.kind.TaskType(), fmt.Sprintf(
			`{"v":1,"order":%q,"source":%q,"account":"nobody","jobs":[{"domain":"mine.nl","holder_id":"H-1"}]}`, v.order.Reference, v.order.Source))
	}
	w.proveCount("deliveries that a hostile producer forged", written)
	w.await("the archive has every misfit", func() (bool, error) {
		archived, err := w.archived()
		return len(archived) >= len(w.misfits), err
	})
	w.settled()
	w.unhurt()
}

// victim is somebody else's order.
type victim struct {
	order   record.Order
	kind    queue.Kind
	domains []string
}

// forge writes deliveries of an order's jobs: such as name an order that they are not of, and such as lie where none belongs. It returns
// how many. Each round's are others.
func (w *world) forge(v victim, round int) (written int, err error) {
	address, err := queue.ParseRedisURL(w.redis.URL())
	if err != nil {
		return 0, err
	}
	client := asynq.NewClient(address)
	defer func() { err = errors.Join(err, client.Close()) }()
	for epoch := range 4 {
		var jobs []string
		for _, d := range v.domains {
			id := queue.JobID(v.order.Source, v.order.Reference, v.kind, d)
			jobs = append(jobs, fmt.Sprintf(`{"id":%q,"domain":%q,"epoch":%d}`, id, d, epoch))
		}
		for _, to := range []struct{ queue, order, account string }{
			{queue.Queue(v.kind, queue.Plain), "mine", "default"},
			{queue.Queue(v.kind, queue.Plain), v.order.Reference, "default"}, // would be called for out of turn
			{queue.AccountQueue(v.kind, queue.Plain, "default"), "mine", "default"},
			{queue.AccountQueue(v.kind, queue.Bulk, "default"), "mine", "default"},
		} {
			payload := fmt.Sprintf(`{"v":1,"order":%q,"source":%q,"account":%q,"jobs":[%s]}%s`, to.order, v.order.Source, to.account, strings.Join(jobs, ","),
				strings.Repeat(" ", round)) // so that each can be found
			task := asynq.NewTask(v.kind.TaskType(), []byte(payload))
			if _, err := client.EnqueueContext(w.t.Context(), task, asynq.Queue(to.queue), asynq.MaxRetry(math.MaxInt32)); err != nil {
				return written, err
			}
			if written++; to.queue == queue.Queue(v.kind, queue.Plain) {
				w.misfits = append(w.misfits, []byte(payload)) // no delivery belongs there
			}
		}
	}
	return written, nil
}
