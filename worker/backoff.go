package worker

import "time"

// backoff says when a job that failed for the nth time is tried again: exponential, with full jitter. luck is a
// random number in [0, 1); jobs that failed in one call share it, so that they come back together.
type backoff struct {
	base, ceiling time.Duration
}

func (b backoff) delay(attempt int, luck float64) time.Duration {
	d := b.base
	for i := 1; i < attempt && d < b.ceiling; i++ {
		d *= 2
	}
	return time.Duration(luck * float64(min(d, b.ceiling)))
}
