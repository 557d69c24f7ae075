package api

import (
	"context"
	"math"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

type jobsInput struct {
	OrderPath
	Page

	State   []record.State `query:"state,explode" doc:"Only jobs in one of these states" enum:"queued,running,retrying,held,unconfirmed,succeeded,failed,canceled"`
	Outcome record.Outcome `query:"outcome" doc:"Only jobs with this outcome" enum:"registered,issued,expired,available,taken,rejected,duplicate,exhausted"`
	Domain  string         `query:"domain" maxLength:"500" doc:"Only the job for this domain, in either spelling"`
}

type jobsOutput struct {
	Body struct {
		Jobs       []view.Job `json:"jobs" doc:"In the order in which they were given"`
		NextCursor string     `json:"next_cursor,omitempty" doc:"Give it as cursor to read on; left out on the last page"`
	}
}

type jobInput struct {
	ID uuid.UUID `path:"id" format:"uuid" doc:"As job_id has it"`
}

type jobOutput struct{ Body view.JobDetail }

func (a *API) registerJobs() {
	list := operation("list-jobs", http.MethodGet, "/v1/orders/{reference}/jobs", tagJobs, "The jobs of an order",
		"A page of an order's jobs. `/v1/orders/{reference}/export` has all of them at once.", apikey.Read)
	list.Errors = append(list.Errors, http.StatusGone)
	add(a, list, a.listJobs)
	add(a, operation("get-job", http.MethodGet, "/v1/jobs/{id}", tagJobs, "One job, with every call it was in",
		"Where the job stands, when it needs attention next, every request to the registrar that it was in, and what WHOIS and people have said of it.",
		apikey.Read), a.getJob)
}

func (a *API) listJobs(ctx context.Context, in *jobsInput) (*jobsOutput, error) {
	o, err := a.keptOrder(ctx, in.Reference)
	if err != nil {
		return nil, err
	}
	after, err := in.afterBelow(math.MaxInt32)
	if err != nil {
		return nil, err
	}
	filter := orders.JobFilter{States: in.State, Outcome: in.Outcome, AfterSeq: int(after), Limit: in.limit() + 1}
	if in.Domain != "" {
		name, err := a.domain(in.Domain, "query.domain")
		if err != nil {
			return nil, err
		}
		filter.Domain = name.ASCII
	}
	var out jobsOutput
	out.Body.Jobs = []view.Job{}
	last := 0
	for j, err := range a.options.Store.Orders.Jobs(ctx, o.ID, filter) {
		if err != nil {
			return nil, err
		}
		if len(out.Body.Jobs) == in.limit() {
			out.Body.NextCursor = strconv.Itoa(last)
			break
		}
		out.Body.Jobs, last = append(out.Body.Jobs, jobOf(j)), j.Seq
	}
	return &out, nil
}

func (a *API) getJob(ctx context.Context, in *jobInput) (*jobOutput, error) {
	st := a.options.Store
	j, calls, err := st.Orders.FindJob(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if j.Source != callerOf(ctx).Source {
		return nil, pg.ErrNotFound
	}
	readings, err := st.Operator.Readings(ctx, j.ID)
	if err != nil {
		return nil, err
	}
	acts, err := st.Operator.Acts(ctx, j.ID)
	if err != nil {
		return nil, err
	}
	detail := detailOf(j, calls, readings, acts)
	if !j.State.Final() && j.State != record.Unconfirmed {
		found, err := st.Fleet.Stillness(ctx, record.Order{ID: j.OrderID, Kind: j.Kind, Account: j.Account})
		if err != nil {
			return nil, err
		}
		detail.WaitsFor = view.StillOf(view.WhyJobStill(j, found), stillWords)
	}
	return &jobOutput{detail}, nil
}
