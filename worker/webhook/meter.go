package webhook

import "time"

// Meter is told of attempts to deliver. It must not block.
type Meter interface {
	Tried(result Result, took time.Duration)
}

// Result is how an attempt ended.
type Result string

// The results.
const (
	Delivered  Result = "delivered"
	Refused    Result = "refused"    // it answered with another status than a success
	Unanswered Result = "unanswered" // it could not be reached, may not be, or did not answer in time
	Gone       Result = "gone"       // the event is not kept any more, so that nothing was sent
)

// Results lists every result.
func Results() []Result { return []Result{Delivered, Refused, Unanswered, Gone} }

// measure tells of an attempt.
func (d *Deliverer) measure(gone bool, a answer) {
	if d.options.Meter == nil {
		return
	}
	result := Unanswered
	switch {
	case gone:
		result = Gone
	case a.ok():
		result = Delivered
	case a.status != 0:
		result = Refused
	}
	d.options.Meter.Tried(result, a.took)
}
