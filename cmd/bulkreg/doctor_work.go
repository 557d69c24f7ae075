package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"
)

// slowWebhook is how long an event may wait for a webhook before it is odd: the first attempts after a failure lie closer.
const slowWebhook = 10 * time.Minute

// work looks at what stands in the database: what `bulkreg status` says, and what may become that.
func (d *doctor) work(ctx context.Context, st *store.Store) {
	const about = "work"
	status, err := st.Fleet.Status(ctx)
	if err != nil {
		d.say(about, "status", ill, "", "%s", oneLine(err))
		return
	}
	disabled, err := st.Webhooks.Disabled(ctx, fleet.StatusOrders)
	if err != nil {
		d.say(about, "status", ill, "", "%s", oneLine(err))
		return
	}
	needs := needsOf(status, disabled)
	for _, n := range needs {
		d.say(about, n.Reason, odd, strings.Join(n.Commands, " or "), "%s", n.Words)
	}
	for _, h := range status.Holds {
		if !h.Reason.NeedsPerson() {
			d.say(about, string(fleet.StillHeld), odd, "", "account %s has %s hold, which goes by itself: %s", h.Account, withArticle(string(h.Reason)), heldWords(h))
		}
	}
	if len(needs) == 0 {
		d.say(about, "status", healthy, "", "nobody is needed")
	}
	d.workers(status)
	d.webhooks(ctx, st)
}

// workers says what no live worker would carry out, whether there is any of it now or not.
func (d *doctor) workers(status fleet.Status) {
	const about, check = "work", "workers"
	alive := 0
	for _, w := range status.Workers {
		if w.Alive {
			alive++
		}
	}
	if alive == 0 {
		d.say(about, check, odd, "start one with `bulkreg worker`", "no worker is alive")
		return
	}
	idle := d.unserved(status)
	for _, what := range idle {
		d.say(about, check, odd, "start `bulkreg worker` with that kind among its --kinds, and with the account", "no live worker is there for %s", what)
	}
	if len(idle) == 0 {
		d.say(about, check, healthy, "", "%s alive, and there is one for each kind and account", term.Counted(alive, "worker is", "workers are"))
	}
}

// unserved are the kinds and accounts of the settings that no live worker is there for.
func (d *doctor) unserved(status fleet.Status) []string {
	var found []string
	look := func(kind queue.Kind, account string) {
		served := func(w fleet.WorkerStatus) bool { return w.Works(record.Kind(kind), account) }
		if !slices.ContainsFunc(status.Workers, served) {
			found = append(found, fmt.Sprintf("kind %s of account %s", kind, account))
		}
	}
	cfg, err := config.LoadFor(d.environ, config.UseAll)
	if err != nil {
		return nil // which is said already
	}
	accounts, err := cfg.Accounts()
	if err != nil {
		accounts = nil
	}
	for _, kind := range usualKinds(cfg) {
		if kind.OfPeople() {
			look(kind, queue.TokenAccount)
			continue
		}
		for _, a := range accounts {
			look(kind, a.Name)
		}
	}
	return found
}

// webhooks says which ones are behind. Those that are disabled are told of with what needs a person.
func (d *doctor) webhooks(ctx context.Context, st *store.Store) {
	const about, check = "work", "webhooks"
	behind, err := st.Webhooks.Behind(ctx, slowWebhook, fleet.StatusOrders)
	if err != nil {
		d.say(about, check, ill, "", "%s", oneLine(err))
		return
	}
	for _, b := range behind {
		d.say(about, check, odd, "bulkreg webhooks deliveries "+b.ID, "%s for webhook %s of source %s, %s, the oldest since %s",
			term.Counted(b.Waiting, "event waits", "events wait"), b.ID, b.Source, withoutQuery(b.URL), b.Oldest.UTC().Format(time.RFC3339))
	}
	if len(behind) == 0 {
		d.say(about, check, healthy, "", "none is behind")
	}
}
