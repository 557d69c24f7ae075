package torture

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// names makes n domains. The label scripts the sandbox.
func names(label string, n int) []string {
	domains := make([]string, n)
	for i := range domains {
		domains[i] = fmt.Sprintf("%s-%04d.nl", label, i)
	}
	return domains
}

// register orders registrations, in chunks as large as a call.
func (w *world) register(reference string, domains ...string) record.Order {
	w.t.Helper()
	return w.order(queue.Register, reference, domains...)
}

func (w *world) order(kind queue.Kind, reference string, domains ...string) record.Order {
	w.t.Helper()
	return w.orderOf("default", kind, reference, domains...)
}

// orderOf is order for an account.
func (w *world) orderOf(account string, kind queue.Kind, reference string, domains ...string) record.Order {
	w.t.Helper()
	order, err := w.submit(w.t.Context(), account, kind, reference, domains)
	if err != nil {
		w.t.Fatal(err)
	}
	w.orders = append(w.orders, order)
	return order
}

// submit takes an order in. It is the same code that every producer uses.
func (w *world) submit(ctx context.Context, account string, kind queue.Kind, reference string, domains []string) (record.Order, error) {
	reader, err := input.FromArgs(domains, input.Options{Kind: string(kind), DefaultHolderID: sandbox.DefaultHolder})
	if err != nil {
		return record.Order{}, err
	}
	return w.take(ctx, account, kind, reference, reader)
}

// take takes in what was read.
func (w *world) take(ctx context.Context, account string, kind queue.Kind, reference string, reader *input.Reader) (_ record.Order, err error) {
	spool, err := intake.ReadSpool(reader, func(bad *input.RejectError) error { return bad })
	if err != nil {
		return record.Order{}, err
	}
	defer func() {
		if cerr := spool.Close(); err == nil {
			err = cerr
		}
	}()
	in, err := intake.New(w.store.Orders, intake.Chunks{Whois: 20, Register: batchSize, Token: batchSize})
	if err != nil {
		return record.Order{}, err
	}
	keys, err := w.keys()
	if err != nil {
		return record.Order{}, err
	}
	res, err := in.SealingWith(keys).Submit(ctx, intake.Order{Source: "torture", Reference: reference, Kind: kind, Account: account}, spool)
	return res.Order, err
}

// settled waits until nothing more will happen to the orders by itself.
func (w *world) settled() {
	w.t.Helper()
	w.await("every order is settled", func() (bool, error) {
		for _, o := range w.orders {
			asking, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
			sum, err := w.store.Orders.Summarize(asking, o)
			cancel()
			if err != nil || !sum.Settled() {
				return false, err
			}
		}
		return true, nil
	})
}

// unsettled logs where the first of the jobs stand that still have to come to something.
func (w *world) unsettled() {
	conn, err := w.connect()
	if err != nil {
		w.t.Log(err)
		return
	}
	defer w.disconnect(conn)
	rows, err := conn.Query(w.t.Context(), `
		SELECT format('%s: %s, epoch %s, %s attempts, wakes %s, claim %s: %s', domain, state, epoch, attempts, wake_at, claim_id, last_error)
		FROM jobs WHERE finished_at IS NULL AND state <> 'unconfirmed' ORDER BY order_id, seq LIMIT 20`)
	if err == nil {
		var lines []string
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		w.t.Logf("not settled:\n%s", strings.Join(lines, "\n"))
	}
	if err != nil {
		w.t.Log(err)
	}
}

// inject makes the upstream fail in some way, and returns how often it has done so.
func (w *world) inject(f sandbox.Fault) (fired func() int) {
	w.t.Helper()
	id, err := w.remote.Inject(w.t.Context(), f)
	if err != nil {
		w.t.Fatal(err)
	}
	w.slowed[id] = f.Kind == sandbox.KindSlow
	return func() int {
		w.t.Helper()
		n, err := w.remote.Fired(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
}

// hit waits until an injected fault has hit a request.
func (w *world) hit(fired func() int) {
	w.t.Helper()
	w.await("the upstream's fault hits", func() (bool, error) { return fired() > 0, nil })
}

// sql reads one number, for facts that no API shows.
func (w *world) sql(query string, args ...any) (int, error) {
	conn, err := w.connect()
	if err != nil {
		return 0, err
	}
	defer w.disconnect(conn)
	var n int
	asking, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	err = conn.QueryRow(asking, query, args...).Scan(&n)
	return n, err
}
