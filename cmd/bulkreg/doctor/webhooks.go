package doctor

import (
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

const (
	// manyWaiting is how many deliveries to one endpoint may wait before it is odd.
	manyWaiting = 1000
	// longOverdue is how long a delivery may be due before it is odd.
	longOverdue = 2 * time.Minute
	// mostEndpoints bounds how many endpoints get a line.
	mostEndpoints = 20
)

// Endpoints looks at the webhooks to which events are still sent. Those that are disabled are said elsewhere.
func (r *Report) Endpoints(now time.Time, list []webhooks.Endpoint, all fleet.WebhookFigures) {
	sent, told := 0, 0
	say := func(e webhooks.Endpoint, format string, args ...any) {
		if told++; told <= mostEndpoints {
			r.Say(Webhooks, Warn, "bulkreg webhooks deliveries "+e.ID, "webhook %s of source %s "+format, append([]any{e.ID, e.Source}, args...)...)
		}
	}
	for _, e := range list {
		if !e.DisabledAt.IsZero() {
			continue
		}
		sent++
		switch {
		case !e.FailingSince.IsZero():
			say(e, "has failed for %s, and %s: it is disabled after five days", term.Ago(now.Sub(e.FailingSince)), waiting(e.Waiting))
		case e.Waiting >= manyWaiting:
			say(e, "is slow: %s", waiting(e.Waiting))
		}
	}
	if told > mostEndpoints {
		r.Say(Webhooks, Warn, "bulkreg webhooks list", "%s like that", term.Counted(told-mostEndpoints, "more webhook is", "more webhooks are"))
	}
	overdue := all.Overdue > longOverdue
	if overdue {
		r.Say(Webhooks, Warn, "see that a worker runs, and that all have TOKEN_ENCRYPTION_KEY", "a delivery should have been made %s ago", term.Ago(all.Overdue))
	}
	if told == 0 && !overdue && all.Disabled == 0 {
		r.Say(Webhooks, OK, "", "events go to %s, and none fails or lags behind", term.Counted(sent, "webhook", "webhooks"))
	}
}

func waiting(n int) string {
	if n == 1 {
		return "1 delivery waits"
	}
	return term.Thousands(n) + " deliveries wait"
}
