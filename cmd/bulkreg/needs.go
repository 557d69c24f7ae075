package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// need is one thing that needs a person, as programs read it. Its names are part of the interface.
type need struct {
	Reason   string      `json:"reason"`           // see `bulkreg status --help`
	Words    string      `json:"words"`            // for people
	Commands []string    `json:"commands"`         // what to type, if anything: one of them, or one after the other
	Source   string      `json:"source,omitempty"` // of the order, with its reference
	Order    string      `json:"order,omitempty"`
	Account  string      `json:"account,omitempty"`
	Kind     record.Kind `json:"kind,omitempty"`
	Worker   string      `json:"worker,omitempty"`
	Jobs     int         `json:"jobs,omitempty"` // more than 10,000 are 10,001
	Since    *time.Time  `json:"since"`          // null: not known

	since time.Time
}

// What a need may be, beside those that store.Still has words for.
const (
	needUnconfirmed = "unconfirmed"
	needOverdue     = "overdue"
	needWebhook     = "webhook_disabled"
)

// needsOf is what needs a person, what only a person can decide first.
func needsOf(st fleet.Status, disabled []webhooks.Endpoint) []need {
	var needs []need
	for _, u := range st.Unconfirmed {
		needs = append(needs, unconfirmedNeed(u))
	}
	if len(st.Unconfirmed) == fleet.StatusOrders {
		needs = append(needs, need{Reason: needUnconfirmed, Words: "there may be more orders with unconfirmed jobs", Commands: []string{"bulkreg orders --needs-person"}})
	}
	for _, h := range st.Holds {
		if h.Reason.NeedsPerson() {
			needs = append(needs, holdNeed(h))
		}
	}
	for _, p := range st.Paused {
		needs = append(needs, need{
			Reason: string(fleet.StillPaused), Source: p.Source, Order: p.Reference, Account: p.Account, since: p.Since,
			Words: "order " + p.Name() + " is paused" + byWhom(p.PlacedBy, p.Words), Commands: []string{"bulkreg resume " + orderWord(p.Order)},
		})
	}
	needs = append(needs, needsOfWorkers(st)...)
	needs = append(needs, overdueNeeds(st)...)
	for _, e := range disabled {
		needs = append(needs, webhookNeed(e))
	}
	for i := range needs {
		needs[i].Since = view.Time(needs[i].since)
		if needs[i].Commands == nil {
			needs[i].Commands = []string{}
		}
	}
	return needs
}

func unconfirmedNeed(u fleet.UnconfirmedOrder) need {
	return need{
		Reason: needUnconfirmed, Source: u.Source, Order: u.Reference, Account: u.Account, Kind: u.Kind, Jobs: u.Jobs,
		Words: fmt.Sprintf("%s of order %s may have been paid for: %s", upToJobs(u.Jobs), u.Name(), aboutUnconfirmed),
		Commands: []string{
			fmt.Sprintf("bulkreg jobs %s --state unconfirmed", named(u.Order)),
			fmt.Sprintf("bulkreg confirm %s --registered --reason TEXT", named(u.Order)),
			fmt.Sprintf("bulkreg confirm %s --not-registered --reason TEXT", named(u.Order)),
		},
	}
}

func upToJobs(n int) string {
	if n > fleet.StatusMost {
		return upTo(n) + " jobs"
	}
	return term.Counted(n, "job", "jobs")
}

func byWhom(by, words string) string {
	text := ""
	if by != "" {
		text = " by " + by
	}
	if words != "" {
		text += " (" + words + ")"
	}
	return text
}

func holdNeed(h holds.View) need {
	n := need{Reason: string(fleet.StillHeld), Account: h.Account, Jobs: h.Jobs, since: h.Since, Commands: []string{"bulkreg resume " + shellWord(h.Account)}}
	what := map[holds.Reason]string{
		holds.Payment:  "top up; it then goes on by itself, or at once with",
		holds.Auth:     "correct its credentials and restart the workers, then",
		holds.Contract: "correct the paths or the account, then",
		holds.Paused:   "only a person lifts it, with",
		holds.Restored: "find out what was sent; only a person lifts it, with",
	}[h.Reason]
	n.Words = fmt.Sprintf("account %s has %s hold%s, and %s %s for it: %s", h.Account, withArticle(string(h.Reason)),
		byWhom(h.PlacedBy, heldWords(h)), upToJobs(h.Jobs), plural(h.Jobs, "waits", "wait"), what)
	return n
}

// webhookNeed tells of a webhook to which nothing is sent any more.
func webhookNeed(e webhooks.Endpoint) need {
	why := map[webhooks.Disabled]string{webhooks.Gone: "answered 410", webhooks.Failing: "has failed for five days"}[e.DisabledFor]
	return need{
		Reason: needWebhook, Source: e.Source, since: e.DisabledAt,
		Words: fmt.Sprintf("webhook %s of source %s, %s, %s, and gets no events: tell its owner", e.ID, e.Source, withoutQuery(e.URL), why),
		Commands: []string{
			"bulkreg webhooks deliveries " + e.ID, "bulkreg webhooks recover " + e.ID + " --since 2d", "bulkreg webhooks remove " + e.ID,
		},
	}
}

// needsOfWorkers is work that no live worker is there for, and what workers complain of.
func needsOfWorkers(st fleet.Status) []need {
	var needs []need
	for _, l := range st.Pipelines {
		jobs := min(l.Running+l.Queued+l.Waiting+l.Held, fleet.StatusMost+1)
		if l.Workers == 0 {
			needs = append(needs, need{
				Reason: string(fleet.StillNoWorker), Kind: l.Kind, Account: l.Account, Jobs: jobs, since: l.Since,
				Words: fmt.Sprintf("%s of kind %s and account %s %s, and no live worker is there for them: start one that knows the account",
					upToJobs(jobs), l.Kind, l.Account, plural(jobs, "waits", "wait")),
			})
		}
		if len(l.Paused) > 0 {
			needs = append(needs, need{
				Reason: string(fleet.StillQueuePaused), Kind: l.Kind, Account: l.Account, Jobs: jobs,
				Words: stillWords(fleet.StillReason{Still: fleet.StillQueuePaused, Queues: l.Paused}),
			})
		}
	}
	for _, w := range st.Workers {
		if w.Alive && w.Trouble != "" {
			needs = append(needs, need{
				Reason: string(fleet.StillTrouble), Worker: w.Name,
				Words: stillWords(fleet.StillReason{Still: fleet.StillTrouble, Worker: w.Name, Words: w.Trouble}),
			})
		}
	}
	return needs
}

func overdueNeeds(st fleet.Status) []need {
	var needs []need
	if r := st.Rescue; r.Claims+r.Chunks > 0 {
		var what []string
		if r.Claims > 0 {
			what = append(what, term.Counted(min(r.Claims, fleet.StatusMost), "claim", "claims"))
		}
		if r.Chunks > 0 {
			what = append(what, term.Counted(min(r.Chunks, fleet.StatusMost), "delivery", "deliveries"))
		}
		needs = append(needs, need{
			Reason: needOverdue, since: r.Since,
			Words: strings.Join(what, " and ") + " should have been taken back by now, which each worker looks for: see that one runs",
		})
	}
	for _, l := range st.Pipelines {
		due := l.Overdue(st.At)
		if due.IsZero() || l.Workers == 0 { // which is said already
			continue
		}
		needs = append(needs, need{
			Reason: needOverdue, Kind: l.Kind, Account: l.Account, Jobs: l.Waiting, since: due,
			Words:    fmt.Sprintf("a job of kind %s and account %s should have been delivered by now: look into the workers' logs", l.Kind, l.Account),
			Commands: []string{"bulkreg audit"},
		})
	}
	return needs
}
