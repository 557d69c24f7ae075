package worker

import (
	"errors"
	"net/http"

	"github.com/bulkreg/bulkreg/store/holds"

	"github.com/bulkreg/bulkreg/worker/gettoken"
)

// fateOfToken decides what becomes of a job after its call for a token. It is pure, but for renewed, which says whether the access
// token is another one by now.
//
// A call costs nothing and may be repeated, so whatever is not clear is a retry. Bad input is answered with the 500 of a
// failure: where the upstream's words say invalid the job ends, and otherwise it goes again as often as any job.
func fateOfToken(reply gettoken.Reply, err error, renewed func(generation uint64) bool) fate {
	a := reply.Answer
	f := fate{sent: a.Sent, status: a.Status, words: a.Message, after: a.RetryAfter}
	if err == nil {
		f.course = courseDone
		return f
	}
	if f.words == "" {
		f.words = err.Error()
	}
	switch {
	case errors.Is(err, errTooLate), errors.Is(err, errStopping):
		f.course = courseWait // this worker did not make the call
	case !a.Sent && a.TokenGeneration == 0:
		f.course, f.hold = courseHold, holds.Auth // there is no access token to call with
	case reply.Invalid:
		f.course, f.definite = courseReject, true
	case a.Status < http.StatusMultipleChoices, a.Status >= http.StatusInternalServerError, a.Documented && a.StatusCode != a.Status:
		f.course = courseRetry // not answered, failed, or in two minds
	case !a.Documented && (a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed) && a.Sent:
		f.course, f.hold = courseHold, holds.Contract // nobody there knows the operation
	default:
		f.course, f.hold = courseOfStatus(a.Status, courseRetry)
	}
	switch {
	case f.course == courseSplit:
		f.course, f.definite = courseReject, true // it stands alone
	case f.course == courseReauth && !renewed(a.TokenGeneration):
		f.course, f.hold = courseHold, holds.Auth
	case f.hold == holds.Payment: // nothing of GetToken is paid for
		f.hold = holds.Contract
	}
	return f
}

// answersForOne reports whether a failure is word of this one person, and not of an upstream that is away: with it comes what the
// documents say comes with an answer.
func answersForOne(a gettoken.Answer) bool { return a.Documented && a.StatusCode == a.Status }
