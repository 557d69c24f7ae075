package doctor

import "time"

// clockDifference is by how much clocks may differ before it is odd. Leases are Postgres' own, and outlast calls by 15 s.
const clockDifference = 5 * time.Second

// Clock compares the clock of a server with this machine's: it told its time after it was asked and before it answered.
func (r *Report) Clock(whose string, theirs, asked, answered time.Time) {
	difference := time.Duration(0)
	switch {
	case theirs.Before(asked):
		difference = asked.Sub(theirs)
	case theirs.After(answered):
		difference = theirs.Sub(answered)
	}
	if difference > clockDifference {
		way := "ahead of"
		if theirs.Before(asked) {
			way = "behind"
		}
		r.Say(Clocks, Warn, "let the machines keep their clocks by NTP", "the clock of %s is %s %s this machine's", whose, difference.Round(time.Second), way)
		return
	}
	r.Say(Clocks, OK, "", "the clocks of %s and of this machine agree within %s", whose, clockDifference)
}
