package webhook

import "time"

// schedule is how long each further attempt waits: that of the specification, over 75 hours in all.
func schedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// maxRetryAfter bounds what an endpoint may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter is how long a delivery waits after its attempt, 1, 2 ..., failed; 0 says that it is given up. Waits are up to a
// tenth longer, by jitter, so that what failed together does not come back together, and as long as the endpoint asked for.
func retryAfter(attempt int, jitter float64, asked time.Duration) time.Duration {
	waits := schedule()
	if attempt < 1 || attempt > len(waits) {
		return 0
	}
	wait := waits[attempt-1]
	wait += time.Duration(jitter * float64(wait) / 10)
	return max(wait, asked)
}
