package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkreg/bulkreg/queue/api/export"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/seal"
)

func (a *API) registerExports() {
	format := &huma.Param{Name: "format", In: "query", Description: "csv (the default) or ndjson", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"csv", "ndjson"}}}
	reference := &huma.Param{Name: "reference", In: "path", Required: true, Description: "The order's reference; a slash in it is written %2F", Schema: &huma.Schema{Type: huma.TypeString}}
	state := &huma.Param{Name: "state", In: "query", Description: "Only jobs in this state", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{
		"queued", "running", "retrying", "held", "unconfirmed", "succeeded", "failed", "canceled"}}}
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	answers := func(about string) map[string]*huma.Response {
		return map[string]*huma.Response{statusText(http.StatusOK): {Description: about, Content: map[string]*huma.MediaType{csvType: text, ndjsonType: text}}}
	}
	all := operation("export-order", http.MethodGet, "/v1/orders/{reference}/export", tagJobs, "All jobs of an order, as CSV or NDJSON",
		"Columns begin with job_id, domain, kind, state, outcome, attempts, error. Of tokens it has the token and its URLs while these are good. "+
			"An answer that breaks off is not whole.", apikey.Read)
	all.Errors = append(all.Errors, http.StatusGone)
	all.Parameters = []*huma.Param{reference, format, state}
	all.Responses = answers("Every job, in the order in which they were given")
	a.addPlain(all, a.export)
	failed := operation("export-failed", http.MethodGet, "/v1/orders/{reference}/failed", tagJobs, "The jobs that failed, to be fixed and ordered again",
		"In the form in which an order is given, with a column error. Fix what it says, and POST it to /v1/orders under another reference: the "+
			"column error is passed over.", apikey.Submit)
	failed.Errors = append(failed.Errors, http.StatusGone)
	failed.Parameters = []*huma.Param{reference, format}
	failed.Responses = answers("The jobs that failed")
	a.addPlain(failed, a.exportFailed)
}

// exported is the order that an export is of, and how it is written.
func (a *API) exported(r *http.Request) (o record.Order, ndjson bool, err error) {
	err = a.inTurn(r.Context(), func() error {
		o, err = a.keptOrder(r.Context(), r.PathValue("reference"))
		return err
	})
	if err != nil {
		return o, false, err
	}
	switch format := r.URL.Query().Get("format"); format {
	case "", "csv":
		return o, false, nil
	case "ndjson":
		return o, true, nil
	default:
		p := kindInvalid.problem("The format cannot be used.")
		p.add(Fault{Location: "query.format", Value: shown(format), Message: "is csv or ndjson"})
		return o, false, p
	}
}

func (a *API) export(w http.ResponseWriter, r *http.Request) error {
	o, ndjson, err := a.exported(r)
	if err != nil {
		return err
	}
	filter := orders.JobFilter{}
	if state := r.URL.Query().Get("state"); state != "" {
		filter.State = record.State(state)
	}
	var tokens *export.Tokens
	err = a.inTurn(r.Context(), func() error {
		tokens, err = export.ReadTokens(r.Context(), a.options.Store, o, func() (seal.Keys, error) { return a.options.Seal, nil })
		return err
	})
	if err != nil {
		return err
	}
	write := export.CSV
	if ndjson {
		write = export.NDJSON
	}
	return a.stream(w, r, ndjson, func(out io.Writer) error { return write(out, tokens, a.paged(r.Context(), o.ID, filter)) })
}

func (a *API) exportFailed(w http.ResponseWriter, r *http.Request) error {
	o, ndjson, err := a.exported(r)
	if err != nil {
		return err
	}
	failed := export.Failed{Order: o, Keys: a.options.Seal}
	return a.stream(w, r, ndjson, func(out io.Writer) error { return failed.Write(out, ndjson, a.pagedFailed(r.Context(), o.ID)) })
}

// exportPage is how many jobs are read at once. Neither a connection nor a snapshot is held while they are written: a reader may be slow.
const exportPage = 1000

// paged yields an order's jobs, page by page.
func (a *API) paged(ctx context.Context, order int64, filter orders.JobFilter) iter.Seq2[record.Job, error] {
	filter.Limit = exportPage
	return pages(ctx, a, func(after int) ([]record.Job, error) {
		filter.AfterSeq = after
		jobs := make([]record.Job, 0, exportPage)
		for j, err := range a.options.Store.Orders.Jobs(ctx, order, filter) {
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, ownJob(j))
		}
		return jobs, nil
	}, func(j record.Job) int { return j.Seq })
}

func (a *API) pagedFailed(ctx context.Context, order int64) iter.Seq2[orders.FailedJob, error] {
	return pages(ctx, a, func(after int) ([]orders.FailedJob, error) {
		page, err := a.options.Store.Orders.FailedPage(ctx, order, after, exportPage)
		for i, j := range page {
			page[i].Job = ownJob(j.Job)
		}
		return page, err
	}, func(j orders.FailedJob) int { return j.Seq })
}

// pages yields what is read page by page, each of them in turn.
func pages[T any](ctx context.Context, a *API, read func(after int) ([]T, error), place func(T) int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after, full := 0, true; full; {
			var page []T
			err := a.inTurn(ctx, func() (err error) {
				page, err = read(after)
				return err
			})
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
				after = place(item)
			}
			full = len(page) == exportPage
		}
	}
}

// stream writes what may be long. Once it has begun, an error breaks the answer off, so that it does not pass for whole.
func (a *API) stream(w http.ResponseWriter, r *http.Request, ndjson bool, write func(io.Writer) error) error {
	media := csvType + "; charset=utf-8"
	if ndjson {
		media = ndjsonType
	}
	out := &noticed{w: w}
	buffered := bufio.NewWriterSize(out, 1<<16)
	w.Header().Set("Content-Type", media)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	switch {
	case err == nil:
		return nil
	case out.begun:
		if r.Context().Err() == nil && out.err == nil {
			a.log(r.Context()).Error().Err(err).Msg("an export broke off")
		}
		panic(http.ErrAbortHandler)
	}
	w.Header().Del("Content-Type")
	return err
}

// noticed notices whether an answer has begun, and what its reader's connection failed with.
type noticed struct {
	w     io.Writer
	begun bool
	err   error
}

// Write implements io.Writer.
func (p *noticed) Write(text []byte) (int, error) {
	p.begun = true
	n, err := p.w.Write(text)
	if err != nil {
		p.err = fmt.Errorf("write answer: %w", err)
	}
	return n, p.err
}
