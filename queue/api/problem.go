package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Problem is an answer that is no success, as RFC 9457 has it.
type Problem struct {
	Type      string  `json:"type" example:"/problems/not-found" doc:"What kind of problem it is; it never changes its meaning. The address explains it"`
	Title     string  `json:"title" example:"Not found"`
	Status    int     `json:"status" example:"404"`
	Detail    string  `json:"detail,omitempty" doc:"What is wrong with this request, and what to do"`
	Instance  string  `json:"instance,omitempty" doc:"The path that was asked for"`
	RequestID string  `json:"request_id,omitempty" doc:"Finds the request in the log"`
	Errors    []Fault `json:"errors,omitempty" doc:"All that is wrong with the request, at most 1,000 of them"`
	More      int     `json:"more_errors,omitempty" doc:"How many further errors there are"`

	retryAfter time.Duration
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Location string `json:"location,omitempty" example:"body.jobs[3].domain" doc:"Where: a path into the request, or the name of a column"`
	Line     int    `json:"line,omitempty" doc:"The line of the body, from 1; of a JSON body the number of the job, from 1"`
	Value    string `json:"value,omitempty" doc:"What stands there, where it holds nothing of a person"`
	Message  string `json:"message" doc:"What is wrong, and what to do"`
}

// kind is a kind of problem.
type kind struct {
	name, title string
	status      int
	about       string
}

// Kinds of problems. A name is part of the interface: it never changes its meaning.
var (
	kindBadRequest    = kind{"bad-request", "Bad request", http.StatusBadRequest, "The request cannot be read: it is no HTTP, no JSON or no gzip, or breaks off. Fix how it is made."}
	kindUnauthorized  = kind{"unauthorized", "No valid key", http.StatusUnauthorized, "Every request under /v1 needs a key, in the header Authorization: Bearer KEY. The one that came is none, is revoked or has expired, or none came."}
	kindForbidden     = kind{"forbidden", "The key does not allow that", http.StatusForbidden, "The key is good, and its role does not allow the operation. Roles are read, submit and operate, each with what those before it may do."}
	kindCrossOrigin   = kind{"cross-origin", "A page of another origin asks", http.StatusForbidden, "A browser sent the request for a page of another origin. A page must not hold a key: send the request from a server, without the headers Origin and Sec-Fetch-Site."}
	kindNotFound      = kind{"not-found", "Not found", http.StatusNotFound, "There is nothing at this path that the key may see. What belongs to another source is not found either."}
	kindMethod        = kind{"method-not-allowed", "Method not allowed", http.StatusMethodNotAllowed, "The path knows other methods: the header Allow lists them."}
	kindTimeout       = kind{"timeout", "Too slow", http.StatusRequestTimeout, "The body did not come in time. Nothing was stored: send it again."}
	kindConflict      = kind{"order-conflict", "Another order has the reference", http.StatusConflict, "An order of that reference is there, and asks for something else. An order never changes: give the new one a reference of its own."}
	kindWebhookExists = kind{"webhook-exists", "A webhook has the URL", http.StatusConflict, "A webhook of the source has that URL already, and detail names it. Use that one: where its secret was lost, rotate makes another."}
	kindEventsGone    = kind{"events-gone", "Events are not kept any more", http.StatusGone, "Events behind the one that was given are older than this server keeps them, or lost with what a restore set back. detail says behind which one to go on; what happened in between is seen by looking at the orders."}
	kindJobsGone      = kind{"jobs-gone", "The jobs are not kept any more", http.StatusGone, "The order ended longer ago than this server keeps the jobs of its kind. What it came to, GET /v1/orders/{reference} still says."}
	kindTooLarge      = kind{"too-large", "Too large", http.StatusRequestEntityTooLarge, "The body, or what it unpacks to, is larger than this server takes. Nothing was stored: split the order."}
	kindMediaType     = kind{"unsupported-media-type", "Unsupported media type", http.StatusUnsupportedMediaType, "The body has a Content-Type or Content-Encoding that is not known here."}
	kindInvalid       = kind{"invalid-request", "Invalid request", http.StatusUnprocessableEntity, "Parameters or members of the body are missing or wrong: errors lists them all. Nothing was changed."}
	kindInvalidOrder  = kind{"invalid-order", "Invalid jobs", http.StatusUnprocessableEntity, "Jobs of the order cannot be used: errors lists them with their lines. Nothing was stored. Fix them and send the order again, or leave them out with on_invalid=skip."}
	kindLimit         = kind{"limit-reached", "A limit of the key is reached", http.StatusUnprocessableEntity, "The order is larger than the key allows at all. Nothing was stored. Split the order, or ask for a higher limit."}
	kindDailyLimit    = kind{"daily-limit-reached", "A daily limit of the key is reached", http.StatusTooManyRequests, "The key has ordered all that it may on this day (in UTC). Nothing was stored. Retry-After says when the next day begins."}
	kindTooMany       = kind{"too-many-requests", "Too many requests", http.StatusTooManyRequests, "The key has made more requests than it may in a minute, its source has as many under way as it may, or too many come without a good key. Wait for as long as Retry-After says."}
	kindUnavailable   = kind{"unavailable", "Not available now", http.StatusServiceUnavailable, "The database is away or takes no writes. The request may be repeated safely, as every request may: wait for as long as Retry-After says."}
	kindInternal      = kind{"internal", "Internal error", http.StatusInternalServerError, "bulkreg has made a mistake. The log has it under request_id. The request may be repeated safely."}
	kindNotAcceptable = kind{"not-acceptable", "Not acceptable", http.StatusNotAcceptable, "None of the types in Accept is offered at this path."}
)

// kinds lists every kind of problem.
func kinds() []kind {
	return []kind{
		kindBadRequest, kindUnauthorized, kindForbidden, kindCrossOrigin, kindNotFound, kindMethod, kindNotAcceptable, kindTimeout, kindConflict, kindWebhookExists, kindEventsGone, kindJobsGone,
		kindTooLarge, kindMediaType, kindInvalid, kindInvalidOrder, kindLimit, kindDailyLimit, kindTooMany, kindUnavailable, kindInternal,
	}
}

func (k kind) problem(format string, args ...any) *Problem {
	return &Problem{Type: "/problems/" + k.name, Title: k.title, Status: k.status, Detail: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	headers := http.Header{}
	if p.retryAfter > 0 {
		headers.Set("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds()+1)))
	}
	if p.Status == http.StatusUnauthorized {
		headers.Set("WWW-Authenticate", `Bearer realm="bulkreg"`)
	}
	return headers
}

// Errors of a list that are shown; the others are counted.
const maxFaults = 1000

func (p *Problem) add(f Fault) {
	if len(p.Errors) == maxFaults {
		p.More++
		return
	}
	p.Errors = append(p.Errors, f)
}

// unavailableFor is after how long somebody may try again whose request the database could not carry out.
const unavailableFor = 5 * time.Second

// problemOf is what a caller is told of an error. internal reports that somebody here has to know it.
func problemOf(err error) (p *Problem, internal bool) {
	var (
		final  *pg.Error
		pruned *record.PrunedError
	)
	switch {
	case errors.As(err, &p):
		return p, false
	case errors.Is(err, ErrBusy):
		p = kindTooMany.problem("Too many keys that nobody knows are presented to this server. If yours is good, send the same request again.")
		p.retryAfter = goodEvery
		return p, false
	case errors.As(err, &pruned):
		return kindJobsGone.problem("%s.", upperFirst(pruned.Error())), false
	case errors.Is(err, pg.ErrNotFound):
		return kindNotFound.problem("There is no such thing, or it is another source's."), false
	case errors.Is(err, pg.ErrUnavailable):
		p = kindUnavailable.problem("The database cannot do this now. Send the same request again.")
		p.retryAfter = unavailableFor
		return p, true
	case errors.As(err, &final):
		return kindInternal.problem("The database refused what was to be written."), true
	}
	return kindInternal.problem("Something went wrong here. Send the same request again, or ask whoever runs this server."), true
}

// humaProblem is how huma's own refusals look: of parameters and bodies that do not fit the document.
func humaProblem(refusal *huma.ErrorModel) *Problem {
	p := kindOf(refusal.Status).problem("%s.", upperFirst(refusal.Detail))
	p.Status = refusal.Status // it is on its way
	for _, d := range refusal.Errors {
		if d != nil && refusal.Status < http.StatusInternalServerError { // else it may say what is nobody's business
			p.add(Fault{Location: d.Location, Message: d.Message}) // the value may be a person's
		}
	}
	return p
}

func upperFirst(text string) string {
	if text == "" || text[0] < 'a' || text[0] > 'z' {
		return cmp.Or(text, "The request cannot be carried out")
	}
	return string(text[0]-'a'+'A') + text[1:]
}

func kindOf(status int) kind {
	for _, k := range kinds() {
		if k.status == status {
			return k
		}
	}
	if status < http.StatusInternalServerError {
		return kindBadRequest
	}
	return kindInternal
}
