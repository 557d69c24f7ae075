package worker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

var errAny = errors.New("broken")

// A call that failed as a whole: the row of the table depends on the status, on whether a byte left, and on whether
// the call is paid.
func TestFateOfAWholeCall(t *testing.T) {
	t.Parallel()
	sent := func(status int) registrar.Answer {
		return registrar.Answer{Sent: true, Status: status, Documented: true}
	}
	bare := func(status int) registrar.Answer { return registrar.Answer{Sent: true, Status: status, Complete: true} }
	for _, c := range []struct {
		name       string
		answer     registrar.Answer
		free, paid course
		hold       holds.Reason
	}{
		{"not sent", registrar.Answer{}, courseRetry, courseRetry, ""},
		{"no status", sent(0), courseRetry, courseUnknown, ""},
		{"unreadable success", sent(200), courseRetry, courseUnknown, ""},
		{"accepted", sent(202), courseRetry, courseAccepted, ""},
		{"redirect", sent(302), courseRetry, courseUnknown, ""},
		{"bad request", sent(400), courseSplit, courseSplit, ""},
		{"unauthorized", sent(401), courseReauth, courseReauth, ""},
		{"payment required", sent(402), courseHold, courseHold, holds.Payment},
		{"forbidden", sent(403), courseRetry, courseUnknown, ""},
		{"conflict", sent(409), courseRetry, courseUnknown, ""},
		{"not found", sent(404), courseSplit, courseSplit, ""},
		{"method not allowed", sent(405), courseHold, courseHold, holds.Contract},
		{"not found, in a web page", bare(404), courseHold, courseHold, holds.Contract},
		{"method not allowed, in a web page", bare(405), courseHold, courseHold, holds.Contract},
		{"not found, cut in the middle", registrar.Answer{Sent: true, Status: 404}, courseRetry, courseUnknown, ""},
		{"not found, documented and cut", registrar.Answer{Sent: true, Status: 404, Documented: true, StatusCode: 404}, courseSplit, courseSplit, ""},
		{"unprocessable", sent(422), courseSplit, courseSplit, ""},
		{"too many requests", sent(429), courseWait, courseWait, ""},
		{"internal error", sent(500), courseRetry, courseUnknown, ""},
		{"bad gateway", sent(502), courseRetry, courseUnknown, ""},
		{"unavailable", sent(503), courseRetry, courseUnknown, ""},
		{"unavailable for a while", registrar.Answer{Sent: true, Status: 503, RetryAfter: time.Minute}, courseRetry, courseUnknown, ""},
		{"made up", sent(599), courseRetry, courseUnknown, ""},
		{"refused, and broken by its body", registrar.Answer{Sent: true, Status: 422, Documented: true, StatusCode: 500}, courseRetry, courseUnknown, ""},
		{"refused, and done by its body", registrar.Answer{Sent: true, Status: 400, Documented: true, StatusCode: 200}, courseRetry, courseUnknown, ""},
		{"refused for one reason or another", registrar.Answer{Sent: true, Status: 400, Documented: true, StatusCode: 422}, courseSplit, courseSplit, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			free := fatesOfChecks([]string{"a.nl", "b.nl"}, registrar.CheckReply{Answer: c.answer}, errAny)
			paid := fatesOfRegistrations([]string{"a.nl", "b.nl"}, registrar.RegisterReply{Answer: c.answer}, errAny)
			for i := range 2 {
				if free[i].course != c.free || free[i].hold != c.hold {
					t.Errorf("free: %s %q, want %s %q", free[i].course, free[i].hold, c.free, c.hold)
				}
				if paid[i].course != c.paid || paid[i].hold != c.hold {
					t.Errorf("paid: %s %q, want %s %q", paid[i].course, paid[i].hold, c.paid, c.hold)
				}
				if free[i].definite || paid[i].definite {
					t.Error("a whole call's failure is definite for no item")
				}
				if free[i].words == "" || free[i].after != c.answer.RetryAfter {
					t.Errorf("words %q, after %v", free[i].words, free[i].after)
				}
			}
		})
	}
}

// Without a token nothing was sent. How long to wait is what the authentication said, not the operation, which never was.
func TestFateWithoutAToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		after  time.Duration
		want   course
		hold   holds.Reason
	}{
		{0, 0, courseRetry, ""},
		{401, 0, courseHold, holds.Auth},
		{402, 0, courseHold, holds.Payment},
		{404, 0, courseHold, holds.Contract},
		{429, time.Minute, courseWait, ""},
		{500, 0, courseRetry, ""},
		{503, 0, courseRetry, ""},
		{503, time.Minute, courseRetry, ""},
	} {
		err := &registrar.AuthError{Answer: registrar.Answer{Sent: true, Status: c.status, RetryAfter: c.after}}
		f := fatesOfRegistrations([]string{"a.nl"}, registrar.RegisterReply{}, err)[0]
		if f.course != c.want || f.hold != c.hold || f.after != c.after || f.sent || f.status != c.status {
			t.Errorf("%d: %+v, want %s %q after %v", c.status, f, c.want, c.hold, c.after)
		}
	}
}

func TestFateOfRegisterItems(t *testing.T) {
	t.Parallel()
	item := func(o registrar.Outcome, code int) []registrar.Result {
		return []registrar.Result{{Domain: "xn--bcher-kva.nl", Outcome: o, StatusCode: code, Message: "words"}}
	}
	named := func(domain string) []registrar.Result {
		return []registrar.Result{{Domain: domain, Outcome: registrar.Registered}}
	}
	for _, c := range []struct {
		name     string
		results  []registrar.Result
		want     course
		definite bool
	}{
		{"registered", item(registrar.Registered, 0), courseDone, true},
		{"registered with 201", item(registrar.Registered, 201), courseDone, true},
		{"registered with an error code", item(registrar.Registered, 500), courseUnknown, false},
		{"failed with a success code", item(registrar.Failed, 200), courseUnknown, false},
		{"failed without a code", item(registrar.Failed, 0), courseUnknown, false},
		{"failed 400", item(registrar.Failed, 400), courseReject, true},
		{"failed 401", item(registrar.Failed, 401), courseReauth, true},
		{"failed 402", item(registrar.Failed, 402), courseHold, true},
		{"failed 404", item(registrar.Failed, 404), courseReject, true},
		{"failed 422", item(registrar.Failed, 422), courseReject, true},
		{"failed 429", item(registrar.Failed, 429), courseWait, true},
		{"failed 409", item(registrar.Failed, 409), courseUnknown, false},
		{"failed 500", item(registrar.Failed, 500), courseUnknown, false},
		{"failed 503", item(registrar.Failed, 503), courseUnknown, false},
		{"a word we do not know", item(registrar.OutcomeUnknown, 0), courseUnknown, false},
		{"missing", nil, courseUnknown, false},
		{"another domain", named("other.nl"), courseUnknown, false},
		{"upper case", named("XN--BCHER-KVA.NL"), courseDone, true},
		{"trailing dot", named("xn--bcher-kva.nl."), courseDone, true},
		{"unicode", named("bücher.nl"), courseDone, true},
		{"unicode in upper case", named("BÜCHER.nl"), courseDone, true},
		{"doubled", append(named("xn--bcher-kva.nl"), named("bücher.nl")...), courseDone, true},
		{"contradicting itself", append(item(registrar.Registered, 0), item(registrar.Failed, 422)...), courseUnknown, false},
		{"contradicting itself thrice", append(append(item(registrar.Failed, 422), item(registrar.Registered, 0)...), item(registrar.Registered, 0)...), courseUnknown, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reply := registrar.RegisterReply{Answer: registrar.Answer{Sent: true, Status: 200, Complete: true}, Results: c.results}
			f := fatesOfRegistrations([]string{"xn--bcher-kva.nl"}, reply, nil)[0]
			if f.course != c.want || f.definite != c.definite {
				t.Errorf("%s (definite %v), want %s (%v)", f.course, f.definite, c.want, c.definite)
			}
			if !f.sent {
				t.Error("an answered call was sent")
			}
		})
	}
}

func TestFateOfChecks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		checks []registrar.Check
		want   course
		taken  bool
	}{
		{"available", []registrar.Check{{Domain: "a.nl", Availability: registrar.Available}}, courseDone, false},
		{"taken", []registrar.Check{{Domain: "A.NL", Availability: registrar.Taken}}, courseDone, true},
		{"unknown", []registrar.Check{{Domain: "a.nl", Availability: registrar.Unknown, Error: "no answer"}}, courseRetry, false},
		{"missing", nil, courseRetry, false},
		{"another domain", []registrar.Check{{Domain: "b.nl", Availability: registrar.Available}}, courseRetry, false},
		{"doubled", []registrar.Check{{Domain: "a.nl", Availability: registrar.Taken}, {Domain: "a.nl", Availability: registrar.Taken}}, courseDone, true},
		{"contradicting itself", []registrar.Check{{Domain: "a.nl", Availability: registrar.Taken}, {Domain: "a.nl", Availability: registrar.Available}}, courseRetry, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reply := registrar.CheckReply{Answer: registrar.Answer{Sent: true, Status: 200, Complete: true}, Checks: c.checks}
			f := fatesOfChecks([]string{"a.nl"}, reply, nil)[0]
			if f.course != c.want || f.taken != c.taken {
				t.Errorf("%s (taken %v), want %s (%v)", f.course, f.taken, c.want, c.taken)
			}
		})
	}
}

// Whatever comes back, every domain that was asked for has one fate, and a paid one without a definite answer is never
// simply tried again.
func FuzzFatesOfRegistrations(f *testing.F) {
	f.Add(true, 200, true, "a.nl", "registered", 0, "a.nl", "failed", 422)
	f.Add(true, 500, false, "", "", 0, "", "", 0)
	f.Add(false, 0, false, "A.NL", "unknown", 1, "b.nl.", "registered", 999)
	f.Fuzz(func(t *testing.T, sent bool, status int, ok bool, d1, o1 string, c1 int, d2, o2 string, c2 int) {
		reply := registrar.RegisterReply{
			Answer: registrar.Answer{Sent: sent, Status: status},
			Results: []registrar.Result{
				{Domain: d1, Outcome: registrar.Outcome(o1), StatusCode: c1},
				{Domain: d2, Outcome: registrar.Outcome(o2), StatusCode: c2},
			},
		}
		var err error
		if !ok {
			err = fmt.Errorf("status %d", status)
		}
		fates := fatesOfRegistrations([]string{"a.nl", "b.nl"}, reply, err)
		if len(fates) != 2 {
			t.Fatalf("%d fates for 2 domains", len(fates))
		}
		for _, f := range fates {
			if f.course == "" {
				t.Error("no course")
			}
			if err != nil && sent && (status == 0 || status/100 == 2 || status >= 500) && f.course != courseUnknown && f.course != courseWait {
				t.Errorf("status %d after a sent paid call: %s", status, f.course)
			}
			if f.course == courseReject && !f.definite {
				t.Error("rejected without a definite answer")
			}
		}
	})
}
