// Package view is how programs see orders, jobs and their calls: the same names and shapes on the command line, in exports and
// over HTTP. They are part of the interface: a name never changes its meaning, and new ones are added.
//
// It reads nothing by itself, and must never show more than it is given.
package view

import "time"

// Time is a time for programs, in UTC; nil for none.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
