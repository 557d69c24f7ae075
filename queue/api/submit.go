package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/seal"
)

// incoming is an order on its way in.
type incoming struct {
	orderFields

	spool  *intake.Spool
	stats  input.Stats
	faults *Problem // of lines that cannot be used; nil: all can
}

// registers reports whether its jobs cost money.
func (in *incoming) registers() bool { return in.order.Kind == queue.Register }

// defaultAccount is whose work it is where nothing else is said.
const defaultAccount = "default"

func (a *API) registerSubmit() {
	op := operation("submit-order", http.MethodPost, "/v1/orders", tagOrders, "Give an order",
		"Accepts an order of up to 1,000,000 jobs, whole or not at all. The body is JSON, or NDJSON, CSV with a header or (for whois) one domain "+
			"a line; then the order itself is told by parameters. It may be packed with gzip.\n\n"+
			"An order is known by its reference: the same order again changes nothing and is answered with 200, so that it is safe to repeat "+
			"whenever in doubt, and another one under that reference is refused with 409. Where no reference is given, the header Idempotency-Key is it.", apikey.Submit)
	op.MaxBodyBytes = a.options.MaxBody
	op.Parameters = submitParameters()
	op.RequestBody = submitBody(a)
	op.Errors = append(op.Errors, http.StatusConflict)
	op.Responses = submitAnswers(a)
	a.addPlain(op, a.submit)
}

// submit reads the whole body before anything is stored.
func (a *API) submit(w http.ResponseWriter, r *http.Request) (err error) {
	ctx := r.Context()
	if p := a.room.enter(callerOf(ctx)); p != nil {
		return p
	}
	defer a.room.leave(callerOf(ctx))
	in, err := a.receive(w, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.spool.Close()) }()
	if in.faults != nil && !in.skipInvalid {
		return in.faults
	}
	leave, err := a.storing.enter(ctx, callerOf(ctx).Source, in.spool.Len())
	if err != nil {
		return err
	}
	defer leave()
	return a.inTurn(ctx, func() error { return a.store(w, r, in) })
}

// store stores an order that was read, or says what storing it would come to.
func (a *API) store(w http.ResponseWriter, r *http.Request, in *incoming) error {
	ctx := r.Context()
	if err := a.checkIncoming(ctx, in); err != nil {
		return err
	}
	taker := a.options.Intake
	// A repeat counts against no limit. Where there is none, Submit finds it as well.
	if in.dryRun || callerOf(ctx).Daily {
		existing, found, err := taker.Find(ctx, in.order, in.spool)
		switch {
		case err != nil:
			return submitProblem(err, in)
		case in.dryRun:
			return a.answerPlan(w, r, in, found)
		case found:
			return a.answerOrder(w, r, http.StatusOK, existing, in)
		}
	}
	// An order that is refused here needs not be stored first. What counts is what is booked with it.
	existing, found, err := a.charge(ctx, in)
	switch {
	case err != nil:
		return err
	case found:
		return a.answerOrder(w, r, http.StatusOK, existing, in)
	}
	res, err := taker.Submit(ctx, in.order, in.spool)
	if a.options.Submitted != nil {
		a.options.Submitted()
	}
	if err != nil {
		return limitProblem(submitProblem(err, in))
	}
	if !res.Created {
		return a.answerOrder(w, r, http.StatusOK, res.Order, in)
	}
	return a.answerNew(w, res, in)
}

// checkIncoming refuses what needs a look at more than the order itself.
func (a *API) checkIncoming(ctx context.Context, in *incoming) error {
	if most := callerOf(ctx).JobsPerOrder; most > 0 && in.spool.Len() > most {
		return kindLimit.problem("The order has %d jobs, and the key allows %d in one order.", in.spool.Len(), most)
	}
	if in.order.Kind.OfPeople() {
		return nil
	}
	known, err := a.accounts.has(ctx, in.order.Account)
	if err != nil {
		return err
	}
	if !known {
		p := kindInvalid.problem("Nobody could carry the order out.")
		p.add(Fault{Location: "account", Value: shown(in.order.Account), Message: "no worker has or had this account, nor have the settings of this server"})
		return p
	}
	return nil
}

// submitProblem is why an order cannot be accepted.
func submitProblem(err error, in *incoming) error {
	var (
		conflict *record.ReferenceConflictError
		taken    *pg.JobTakenError
	)
	switch {
	case errors.As(err, &conflict):
		return kindConflict.problem("%s", differs(conflict, in))
	case errors.Is(err, intake.ErrEmpty):
		return kindInvalidOrder.problem("The order is empty: there is no job in it.")
	case errors.Is(err, seal.ErrNoKey):
		return kindInvalid.problem("This server accepts no tokens: it has no key with which people are kept.")
	case errors.As(err, &taken):
		return kindConflict.problem("A job of the order is another one's: rows were made past bulkreg. Nothing was stored.")
	}
	return err
}

// differs says in what an order differs from the one that has its reference.
func differs(conflict *record.ReferenceConflictError, in *incoming) string {
	existing := conflict.Existing
	var parts []string
	if existing.Kind != record.Kind(in.order.Kind) {
		parts = append(parts, fmt.Sprintf("its kind is %s and not %s", existing.Kind, in.order.Kind))
	}
	if existing.Account != in.order.Account {
		parts = append(parts, fmt.Sprintf("its account is %s and not %s", existing.Account, in.order.Account))
	}
	if existing.Total != in.spool.Len() {
		parts = append(parts, fmt.Sprintf("it has %d jobs and not %d", existing.Total, in.spool.Len()))
	}
	switch {
	case len(parts) > 0:
	case !conflict.Purged.IsZero():
		parts = append(parts, fmt.Sprintf("it has as many jobs (%d), and whether they are the same cannot be told any more, since it was purged at %s",
			existing.Total, conflict.Purged.UTC().Format("2006-01-02 15:04:05Z")))
	default:
		parts = append(parts, fmt.Sprintf("it has as many jobs (%d), and they, or what is asked for them, are others", existing.Total))
	}
	return fmt.Sprintf("The order %s is there since %s: %s.", existing.Reference, existing.CreatedAt.UTC().Format("2006-01-02 15:04:05Z"), strings.Join(parts, ", "))
}

// submitted is an order that was accepted.
type submitted struct {
	OrderDetail

	Repeat     bool    `json:"repeat" doc:"The same order was there already, and nothing was changed"`
	Duplicates int     `json:"repeated_jobs" doc:"Lines that repeat a job of the order, and count once"`
	Skipped    int     `json:"skipped" doc:"Jobs that cannot be used, and were left out with on_invalid=skip"`
	Errors     []Fault `json:"errors,omitempty" doc:"What is wrong with these, at most 1,000 of them"`
}

func (a *API) answerOrder(w http.ResponseWriter, r *http.Request, status int, o record.Order, in *incoming) error {
	full, err := a.wholeOrder(r.Context(), o)
	if err != nil {
		return err
	}
	return answerSubmitted(w, status, full, in)
}

// answerNew answers with an order that was just made: all that can be told of it is known.
func (a *API) answerNew(w http.ResponseWriter, res orders.Submitted, in *incoming) error {
	sum := record.Summary{
		Order: res.Order, Counts: map[record.State]int{record.Queued: res.Order.Total - res.Duplicates}, Outcomes: map[record.Outcome]int{},
	}
	if res.Duplicates > 0 {
		sum.Counts[record.Failed], sum.Outcomes[record.Duplicate] = res.Duplicates, res.Duplicates
		if sum.Done() {
			delete(sum.Counts, record.Queued)
			sum.FinishedAt = res.Order.CreatedAt
		}
	}
	full := OrderDetail{Order: view.OrderOf(sum), Labels: in.order.Labels}
	return answerSubmitted(w, http.StatusAccepted, full, in)
}

func answerSubmitted(w http.ResponseWriter, status int, full OrderDetail, in *incoming) error {
	w.Header().Set("Location", "/v1/orders/"+url.PathEscape(full.Reference))
	out := submitted{OrderDetail: full, Repeat: status == http.StatusOK, Duplicates: in.stats.Duplicates, Skipped: in.stats.Rejects}
	if in.faults != nil {
		out.Errors = in.faults.Errors
	}
	return answerJSON(w, status, out)
}

// plan is what an order would do.
type plan struct {
	DryRun     bool           `json:"dry_run"`
	Repeat     bool           `json:"repeat" doc:"The same order is there already: it would change nothing"`
	Jobs       int            `json:"jobs"`
	New        int            `json:"new" doc:"Of registrations: would be sent, unless WHOIS calls them taken"`
	Registered int            `json:"registered" doc:"Registered by an earlier order: they would end as duplicates, and cost nothing"`
	Live       int            `json:"in_progress" doc:"In progress in another order: they would end as duplicates, and cost nothing"`
	Duplicates int            `json:"repeated_jobs"`
	Skipped    int            `json:"skipped"`
	Bought     *intake.Bought `json:"bought,omitempty" doc:"What the new registrations are, together"`
	Errors     []Fault        `json:"errors,omitempty"`
}

func (a *API) answerPlan(w http.ResponseWriter, r *http.Request, in *incoming, found bool) error {
	p := plan{DryRun: true, Repeat: found, Jobs: in.spool.Len(), New: in.spool.Len(), Duplicates: in.stats.Duplicates, Skipped: in.stats.Rejects}
	if in.faults != nil {
		p.Errors = in.faults.Errors
	}
	if in.registers() && !found {
		would, bought, err := a.options.Intake.PlanToBuy(r.Context(), in.spool)
		if err != nil {
			return err
		}
		p.New, p.Registered, p.Live, p.Bought = would.New, would.Registered, would.Live, &bought
	}
	return answerJSON(w, http.StatusOK, p)
}

func answerJSON(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who does not read it is gone, and may ask again
	return nil
}

// spoolProblem is why a body could not be read to its end.
func spoolProblem(err error) error {
	var (
		file     *input.FileError
		option   *input.OptionError
		tooLarge *http.MaxBytesError
		broken   *bodyError
		spool    *intake.SpoolError
		path     *fs.PathError
	)
	switch {
	case errors.As(err, &tooLarge):
		return kindTooLarge.problem("The body, or what it unpacks to, is larger than %d bytes. Nothing was stored: split the order.", tooLarge.Limit)
	case errors.As(err, &broken):
		return broken.problem
	case errors.As(err, &spool), errors.As(err, &path): // ours: the folder for temporary files is full, or not there
		return err
	case errors.As(err, &file):
		p := kindInvalidOrder.problem("The body cannot be used. Nothing was stored.")
		p.add(Fault{Line: file.Line, Message: file.Error()})
		return p
	case errors.As(err, &option):
		p := kindInvalid.problem("A default of the order cannot be used.")
		p.add(Fault{Location: string(option.Option), Message: option.Reason})
		return p
	}
	return readProblem(err)
}

var _ huma.StatusError = (*Problem)(nil)
