package worker

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"

	"golang.org/x/net/idna"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// course is what becomes of a job after a call.
type course string

const (
	// courseDone: the upstream gave its answer for this job. WHOIS said available or taken, a
	// registration succeeded.
	courseDone course = "done"
	// courseReject: the upstream refuses this very job. To send it again would bring the same.
	courseReject course = "reject"
	// courseRetry: the job goes again after a backoff, and the attempt counts.
	courseRetry course = "retry"
	// courseWait: the job goes again after a while, for a reason that is not its own. The attempt does not count.
	courseWait course = "wait"
	// courseSplit: something in the batch is bad. Its halves go again, until the bad jobs stand alone.
	courseSplit course = "split"
	// courseReauth: the token was refused. The job goes again with a new one.
	courseReauth course = "reauth"
	// courseHold: the account must stand still, for the reason in fate.hold.
	courseHold course = "hold"
	// courseUnknown: a paid call may have had its effect. Only evidence can tell.
	courseUnknown course = "unknown"
	// courseAccepted: the upstream will carry a paid call out later, or says so in a word that nobody knows. Only a proof, or
	// a person, can tell.
	courseAccepted course = "accepted"
)

// fate is what becomes of one job, and what is known of its item.
type fate struct {
	course   course
	taken    bool            // with courseDone of a check: taken rather than available
	check    registrar.Check // with courseDone of a check: the answer
	hold     holds.Reason    // with courseHold; with courseUnknown where the upstream is away
	own      bool            // with courseHold: it was this very job that was refused
	after    time.Duration   // how long the upstream asked to wait; 0 where it did not
	sent     bool            // whether a byte of the request left
	definite bool            // the item was answered for itself: that answer is final for it
	status   int             // the item's statusCode, or the HTTP status where the whole call failed
	words    string          // the upstream's
}

// aside is what WHOIS said beside available or taken, for people.
func (f fate) aside() string { return f.check.Aside() }

// fatesOfChecks decides what becomes of the domains of a WHOIS call. It is pure: the same answer brings
// the same fates. A domain may have been asked about for several jobs.
func fatesOfChecks(asked []string, reply registrar.CheckReply, err error) []fate {
	if err != nil {
		return everyone(len(asked), fateOfCall(reply.Answer, err, courseRetry))
	}
	items := newMatcher(asked)
	fates := everyone(len(asked), fate{course: courseRetry, sent: true, status: reply.Status, words: "the upstream's reply left this domain out"})
	said := map[string]registrar.Check{}
	for _, c := range reply.Checks {
		domain, ok := items.find(c.Domain)
		if !ok {
			continue // never asked for
		}
		if before, twice := said[domain]; twice {
			c = before.And(c)
		}
		said[domain] = c
		f := fateOfCheck(c, reply.Status)
		f.sent, f.status = true, reply.Status
		for _, i := range items[domain] {
			fates[i] = f
		}
	}
	return fates
}

func fateOfCheck(c registrar.Check, status int) fate {
	switch c.Availability {
	case registrar.Available:
		return fate{course: courseDone, check: c, words: c.Status}
	case registrar.Taken:
		return fate{course: courseDone, taken: true, check: c, words: c.Status}
	default:
		words := c.Error
		if words == "" {
			words = "the upstream did not say whether this domain is available"
		}
		return fate{course: courseRetry, status: status, words: words}
	}
}

// fatesOfRegistrations decides what becomes of the domains of a register call. Whatever is not a definite answer for a domain
// is unknown, or accepted where the whole call is, unless no byte of the request left. It is pure.
func fatesOfRegistrations(asked []string, reply registrar.RegisterReply, err error) []fate {
	if err != nil && !reply.Accepted() {
		return everyone(len(asked), fateOfCall(reply.Answer, err, courseUnknown))
	}
	items := newMatcher(asked)
	missing := fate{course: courseUnknown, sent: true, status: reply.Status, words: "the upstream's reply left this domain out"}
	if reply.Accepted() {
		missing.course, missing.words = courseAccepted, "the registrar answered 202"
	}
	fates := everyone(len(asked), missing)
	said := map[string]course{}
	for _, r := range reply.Results {
		domain, ok := items.find(r.Domain)
		if !ok {
			continue // never sent, see straysOf
		}
		f := fateOfItem(r)
		if before, twice := said[domain]; twice && before != f.course {
			accepted := before == courseAccepted || f.course == courseAccepted
			f = fate{course: courseUnknown, status: r.StatusCode, words: "the upstream's reply contradicts itself about this domain"}
			if accepted {
				f.course = courseAccepted // no reading may clear it
			}
		}
		f.sent = true
		said[domain] = f.course
		for _, i := range items[domain] {
			fates[i] = f
		}
	}
	return fates
}

// straysOf lists the domains that a reply calls registered although nobody asked for them in this call.
func straysOf(asked []string, reply registrar.RegisterReply) []ledger.Stray {
	items := newMatcher(asked)
	var strays []ledger.Stray
	for _, r := range reply.Results {
		if _, ok := items.find(r.Domain); !ok && r.Outcome == registrar.Registered {
			strays = append(strays, ledger.Stray{Domain: r.Domain, Message: r.Message})
		}
	}
	return strays
}

// fateOfItem decides on one result of a register call that was answered as a whole.
func fateOfItem(r registrar.Result) fate {
	f := fate{status: r.StatusCode, words: r.Message, definite: true}
	switch {
	case r.Outcome == registrar.Registered && (r.StatusCode == 0 || r.StatusCode/100 == 2):
		f.course = courseDone
	case r.Outcome == registrar.Accepted:
		f.course, f.definite = courseAccepted, false
	case r.Outcome != registrar.Failed, r.StatusCode/100 == 2:
		// An unreadable item, or one that says two things at once.
		f.course, f.definite = courseUnknown, false
	default:
		// A server's own failure may have come after the effect, even if it calls the item failed.
		f.course, f.hold = courseOfStatus(r.StatusCode, courseUnknown)
		if f.course == courseSplit {
			f.course = courseReject // it stands alone already
		}
		f.definite = f.course != courseUnknown
	}
	return f
}

// fateOfCall decides on a call that failed as a whole. broken is the course after an answer that proves
// nothing: a retry where a call is free, unknown where it is paid.
func fateOfCall(a registrar.Answer, err error, broken course) fate {
	f := fate{sent: a.Sent, status: a.Status, words: a.Message, after: a.RetryAfter}
	if f.words == "" {
		f.words = err.Error()
	}
	var unauthenticated *registrar.AuthError
	switch {
	case errors.Is(err, errTooLate), errors.Is(err, errStopping):
		f.course = courseWait // this worker did not make the call
	case errors.As(err, &unauthenticated):
		f.course, f.hold = courseOfAuthentication(unauthenticated.Answer)
		f.status, f.words, f.after = unauthenticated.Answer.Status, unauthenticated.Error(), unauthenticated.Answer.RetryAfter
	case !a.Sent:
		f.course = courseRetry
	case a.Status == 0, a.Status < http.StatusMultipleChoices:
		f.course = broken // no status, or a success that could not be read
	case a.Status >= http.StatusInternalServerError:
		f.course = broken // also with Retry-After: a proxy may have given up on what the registrar then did
	case contradicts(a):
		f.course = broken
	case !a.Documented && (a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed):
		// Nobody there knows the operation, unless the words were cut off.
		f.course, f.hold = courseHold, holds.Contract
		if !a.Complete {
			f.course, f.hold = broken, ""
		}
	default:
		f.course, f.hold = courseOfStatus(a.Status, broken)
	}
	return f
}

// contradicts says that the status refuses the call, and the body's own statusCode calls it done or broken.
func contradicts(a registrar.Answer) bool {
	return a.Documented && (a.StatusCode/100 == 2 || a.StatusCode >= http.StatusInternalServerError)
}

// courseOfAuthentication decides when no token could be got.
func courseOfAuthentication(a registrar.Answer) (course, holds.Reason) {
	switch a.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity:
		return courseHold, holds.Auth
	case http.StatusPaymentRequired:
		return courseHold, holds.Payment
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return courseHold, holds.Contract
	case http.StatusTooManyRequests:
		return courseWait, ""
	}
	return courseRetry, ""
}

// courseOfStatus is the error table of the contract, for a status that is no success. A status that it does not have proves
// nothing.
func courseOfStatus(status int, broken course) (course, holds.Reason) {
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		return courseSplit, ""
	case http.StatusUnauthorized:
		return courseReauth, ""
	case http.StatusPaymentRequired:
		return courseHold, holds.Payment
	case http.StatusMethodNotAllowed:
		return courseHold, holds.Contract
	case http.StatusTooManyRequests:
		return courseWait, ""
	default:
		return broken, ""
	}
}

func everyone(n int, f fate) []fate {
	fates := make([]fate, n)
	for i := range fates {
		fates[i] = f
	}
	return fates
}

// matcher finds the places of a domain in what was asked. Upstreams answer in any order, in other case, with a
// trailing dot or in Unicode.
type matcher map[string][]int

func newMatcher(asked []string) matcher {
	m := make(matcher, len(asked))
	for i, d := range asked {
		m[d] = append(m[d], i)
	}
	return m
}

// find returns the domain as it was asked.
func (m matcher) find(domain string) (string, bool) {
	if _, ok := m[domain]; ok {
		return domain, true
	}
	domain = strings.TrimSuffix(domain, ".")
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		ascii = strings.ToLower(domain)
	}
	_, ok := m[ascii]
	return ascii, ok
}
