// Package doctor looks at what bulkreg needs, and words what it finds for people: one thing a line, with what to do about it.
//
// Nothing that it does costs money, and nothing of it changes an order, a job or a hold. It never shows a secret.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Health is how something is.
type Health string

// How something is.
const (
	OK   Health = "ok"
	Warn Health = "warn" // it works, and seldom so on purpose, or waits for a person
	Fail Health = "fail"
	Skip Health = "skip" // it could not be looked at
)

// What findings are about. The names are part of the interface.
const (
	Settings  = "settings"
	Postgres  = "postgres"
	Redis     = "redis"
	Clocks    = "clocks"
	Registrar = "registrar"
	GetToken  = "gettoken"
	Webhooks  = "webhooks"
	Workers   = "workers"
	Holds     = "holds"
	Jobs      = "jobs"
)

// Finding is one line of a Report, as programs read it. Its names are part of the interface.
type Finding struct {
	About  string `json:"about"`
	Health Health `json:"health"`
	Words  string `json:"words"`
	Do     string `json:"do,omitempty"` // what to do about it
}

// Report is what was found.
type Report struct{ Found []Finding }

// Say adds a line.
func (r *Report) Say(about string, h Health, do, format string, args ...any) {
	r.Found = append(r.Found, Finding{about, h, fmt.Sprintf(format, args...), do})
}

// Sort puts lines about the same together, and leaves them in their order.
func (r *Report) Sort() {
	order := []string{Settings, Postgres, Redis, Clocks, Registrar, GetToken, Webhooks, Workers, Holds, Jobs}
	slices.SortStableFunc(r.Found, func(a, b Finding) int {
		return cmp.Compare(slices.Index(order, a.About), slices.Index(order, b.About))
	})
}

// Count says how many lines have a health.
func (r *Report) Count(h Health) int {
	n := 0
	for _, f := range r.Found {
		if f.Health == h {
			n++
		}
	}
	return n
}

// oneLine is the text of an error without the line breaks that some drivers put into theirs.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
