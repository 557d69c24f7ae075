package view

import (
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"
)

// Still is one reason for which jobs do not move.
type Still struct {
	Reason fleet.Still `json:"reason"`
	Words  string      `json:"words" doc:"For people"`
	Since  *time.Time  `json:"since" doc:"Of no_worker: when the last one was seen; null: not known"`
	Until  *time.Time  `json:"until" doc:"When something happens by itself; null: not known, or never"`
}

// StillOf are reasons, in the words of whoever shows them.
func StillOf(reasons []fleet.StillReason, words func(fleet.StillReason) string) []Still {
	var out []Still
	for _, r := range reasons {
		out = append(out, Still{Reason: r.Still, Words: words(r), Since: Time(r.Since), Until: Time(r.Until)})
	}
	return out
}

// WhyStill says why an order's jobs may not move; nothing for one that is settled. A retry to come says something only where
// nothing else of the order goes on.
func WhyStill(sum record.Summary, found fleet.Stillness) []fleet.StillReason {
	if sum.Settled() {
		return nil
	}
	return slices.DeleteFunc(found.Reasons(), func(r fleet.StillReason) bool {
		return r.Still == fleet.StillRetry && sum.Counts[record.Queued]+sum.Counts[record.Running] > 0
	})
}

// WhyJobStill says why a job may not move. When its own retry comes, it says itself.
func WhyJobStill(j record.Job, found fleet.Stillness) []fleet.StillReason {
	if j.State.Final() || j.State == record.Unconfirmed {
		return nil
	}
	found.NextRetry = time.Time{}
	return NotTooSoon(found.Reasons(), found.At.Sub(j.CreatedAt))
}

// soonest is how old an order is before it counts that no worker has reported itself: one that has just started may not have yet.
const soonest = 15 * time.Second

// NotTooSoon leaves out what can only be said of an order that has been there for a while.
func NotTooSoon(reasons []fleet.StillReason, age time.Duration) []fleet.StillReason {
	return slices.DeleteFunc(reasons, func(r fleet.StillReason) bool { return r.Still == fleet.StillNoWorker && age < soonest })
}
