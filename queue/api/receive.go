package api

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
)

// bodyError is a body that cannot be read, in words for whoever sent it.
type bodyError struct{ problem *Problem }

func (e *bodyError) Error() string { return e.problem.Error() }

// receive reads an order to its end, and keeps its jobs in a temporary file. The caller closes the spool.
func (a *API) receive(w http.ResponseWriter, r *http.Request) (_ *incoming, err error) {
	fields, err := fieldsOf(r)
	if err != nil {
		return nil, err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, kindMediaType.problem("Say in Content-Type what the body is: %s.", strings.Join(mediaTypes(), ", "))
	}
	body, err := a.body(w, r)
	if err != nil {
		return nil, err
	}
	in := &incoming{orderFields: fields}
	format := formatOf(media)
	if format == "" && media != jsonType {
		return nil, kindMediaType.problem("%s is not read here: send %s.", shown(media), strings.Join(mediaTypes(), ", "))
	}
	if media == jsonType {
		jobs, err := in.readJSON(body)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, jobs.text.Close()) }()
		if body, err = jobs.text.Reader(); err != nil {
			return nil, err
		}
		format = input.FormatNDJSON
	}
	if err := in.complete(r); err != nil {
		return nil, err
	}
	if err := a.spool(r.Context(), in, body, format); err != nil {
		return nil, err
	}
	// What comes now may take longer than a body may stand still.
	requestOf(r.Context()).bodyUntil(time.Time{})
	return in, nil
}

// The media types of an order.
const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
	csvType    = "text/csv"
	textType   = "text/plain"
)

func mediaTypes() []string { return []string{jsonType, ndjsonType, csvType, textType} }

// formatOf is the form of a body that is no JSON; "" for one that is not known.
func formatOf(media string) input.Format {
	switch media {
	case ndjsonType, "application/ndjson", "application/jsonl":
		return input.FormatNDJSON
	case csvType:
		return input.FormatCSV
	case textType:
		return input.FormatAuto
	}
	return ""
}

// body is the body of a request, bounded as it comes and as it unpacks, and read only as long as it goes on.
func (a *API) body(w http.ResponseWriter, r *http.Request) (io.Reader, error) {
	if r.ContentLength > a.options.MaxBody {
		return nil, kindTooLarge.problem("The body is larger than %d bytes. Nothing was stored: split the order.", a.options.MaxBody)
	}
	body := io.Reader(&patient{from: http.MaxBytesReader(w, r.Body, a.options.MaxBody), control: http.NewResponseController(w), wait: a.options.BodyPatience})
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, readProblem(err)
		}
		return http.MaxBytesReader(w, unpacked, a.options.MaxBody), nil
	default:
		return nil, kindMediaType.problem("The Content-Encoding %s is not read here: pack with gzip, or not at all.", shown(encoding))
	}
}

// bodyPace is how much of a body, in bytes, has to come in BodyPatience: who sends a byte now and then holds nobody's connection.
const bodyPace = 64 << 10

// patient reads a body that goes on: each bodyPace bytes of it have its patience.
type patient struct {
	from    io.Reader
	control *http.ResponseController
	wait    time.Duration
	left    int // bytes until the deadline is set anew
}

// Read implements io.Reader.
func (p *patient) Read(buffer []byte) (int, error) {
	if p.left <= 0 {
		// A connection that knows no deadline, as in a test, has none.
		if err := p.control.SetReadDeadline(time.Now().Add(p.wait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err //nolint:wrapcheck // it is the connection's
		}
		p.left = bodyPace
	}
	n, err := p.from.Read(buffer)
	p.left -= n
	return n, err //nolint:wrapcheck // io.EOF has to be itself
}

// readProblem is why a body broke off.
func readProblem(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return kindTimeout.problem("The body stood still, or came too slowly. Nothing was stored: send it again.")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return kindBadRequest.problem("The body is no gzip, although Content-Encoding says so. Nothing was stored.")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return kindBadRequest.problem("The body ends too early. Nothing was stored.")
	case errors.Is(err, context.Canceled):
		return kindBadRequest.problem("The request was broken off. Nothing was stored.")
	}
	return kindBadRequest.problem("The body cannot be read. Nothing was stored.")
}

// spool reads the jobs of an order. What is wrong with them is noted.
func (a *API) spool(ctx context.Context, in *incoming, body io.Reader, format input.Format) error {
	reader, err := input.NewReader(body, in.options(a, format))
	if err != nil {
		return spoolProblem(err)
	}
	faults := kindInvalidOrder.problem("Jobs of the order cannot be used.")
	in.spool, err = intake.ReadSpool(reader, func(bad *input.RejectError) error {
		for _, f := range bad.Faults() {
			faults.add(Fault{Line: bad.Line, Location: in.locate(bad.Line, f.Field), Value: f.Raw, Message: strings.TrimPrefix(f.String(), f.Field+" ")})
		}
		return ctx.Err()
	})
	if err != nil {
		return spoolProblem(err)
	}
	in.stats = reader.Stats()
	if len(faults.Errors) > 0 {
		faults.Detail = "Jobs of the order cannot be used: errors lists them. Nothing was stored. Fix them, or leave them out with on_invalid=skip."
		in.faults = faults
	}
	return nil
}

// locate is where a fault of a job is, as the sender sees it.
func (in *incoming) locate(line int, field string) string {
	if !in.isJSON {
		return field
	}
	location := "body.jobs[" + statusText(line-1) + "]"
	if field != "" {
		location += "." + field
	}
	return location
}

// options say how the lines of an order are read.
func (in *incoming) options(a *API, format input.Format) input.Options {
	o := input.Options{
		Kind: string(in.order.Kind), Format: format, Suffixes: a.options.Suffixes,
		IgnoreColumns: in.ignore,
		Remedies:      input.Remedies{IgnoreColumns: "ignore_columns=%s", DefaultHolder: "holder_id for the order", AllowPeriod: "allow_period=true"},
	}
	switch in.order.Kind {
	case queue.Register:
		o.DefaultHolderID, o.DefaultPeriodMonths, o.DefaultNameservers = in.HolderID, in.PeriodMonths, in.Nameservers
		o.DefaultAllowStatus, o.WholeYears = in.AllowStatus, !in.AllowPeriod
	case queue.Token:
		o.Languages = a.options.Languages
	}
	return o
}
