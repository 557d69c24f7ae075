package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/doctor"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/fleet"
)

// postgres looks at the database, and at the work that stands in it.
func (d *examination) postgres(ctx context.Context) {
	cfg, err := config.LoadFor(d.environ, config.UseStore|config.UseOrders)
	if err != nil {
		d.Say(doctor.Postgres, doctor.Skip, "", "not looked at: its settings cannot be used")
		return
	}
	url, err := cfg.Database()
	if err != nil {
		d.Say(doctor.Postgres, doctor.Fail, "set DATABASE_URL", "%v", err)
		return
	}
	// Whatever its schema: what else is wrong should show at once, and not only after a migration.
	st, err := store.Open(ctx, url, store.Options{MaxConns: cfg.DatabaseMaxConns, AnySchema: true})
	if err != nil {
		d.NoDatabase(err)
		return
	}
	defer st.Close()
	usable := d.Database(ctx, st)
	d.encryption(ctx, cfg, st)
	if usable {
		d.work(ctx, st)
	}
}

// encryption looks at the way to the database.
func (d *examination) encryption(ctx context.Context, cfg config.Config, st *store.Store) {
	warn := func(words string) { d.Say(doctor.Postgres, doctor.Warn, "", "%s", words) }
	if err := warnUnencrypted(ctx, st, warn); err != nil {
		return // that it does not answer is said already
	}
	if words := cfg.DatabaseUnverified(); words != "" {
		warn(words)
	}
}

// work is what `bulkreg status` says, and how webhooks fare.
func (d *examination) work(ctx context.Context, st *store.Store) {
	status, err := st.Fleet.Status(ctx)
	if err == nil {
		err = d.webhooks(ctx, st, status)
	}
	if err != nil {
		d.Say(doctor.Jobs, doctor.Fail, "", "%s", oneLine(err))
		return
	}
	needs := map[string][]need{}
	for _, n := range needsOf(status, nil) {
		about := aboutNeed(n)
		needs[about] = append(needs[about], n)
	}
	alive := 0
	for _, w := range status.Workers {
		if w.Alive {
			alive++
		}
	}
	d.needed(doctor.Workers, needs, term.Counted(alive, "worker is", "workers are")+" alive, and no work waits for one to start")
	for _, h := range status.Holds {
		if !h.Reason.NeedsPerson() {
			ends := "it goes by itself"
			if !h.EndsAt.IsZero() {
				ends = "it goes at " + timeCell(h.EndsAt)
			}
			needs[doctor.Holds] = append(needs[doctor.Holds], need{Words: fmt.Sprintf("account %s has %s hold (%s): %s",
				h.Account, withArticle(string(h.Reason)), heldWords(h), ends)})
		}
	}
	d.needed(doctor.Holds, needs, "no account and no order stands still")
	d.needed(doctor.Jobs, needs, "none is overdue, and none waits for a person to decide")
}

// needed has a line for each need about something, or says that all is well.
func (d *examination) needed(about string, needs map[string][]need, well string) {
	for _, n := range needs[about] {
		health := doctor.Warn
		switch n.Reason {
		case string(fleet.StillNoWorker), string(fleet.StillTrouble), needOverdue: // nothing goes on by itself, and nobody meant it to stand still
			health = doctor.Fail
		}
		do := n.Commands
		if len(do) == 0 && about == doctor.Workers {
			do = []string{"bulkreg status"}
		}
		d.Say(about, health, strings.Join(do, " or "), "%s", n.Words)
	}
	if len(needs[about]) == 0 {
		d.Say(about, doctor.OK, "", "%s", well)
	}
}

// aboutNeed is what a need is about.
func aboutNeed(n need) string {
	switch n.Reason {
	case needUnconfirmed, needOverdue:
		return doctor.Jobs
	case string(fleet.StillHeld), string(fleet.StillPaused):
		return doctor.Holds
	case needWebhook:
		return doctor.Webhooks
	}
	return doctor.Workers
}

func (d *examination) webhooks(ctx context.Context, st *store.Store, status fleet.Status) error {
	disabled, err := st.Webhooks.Disabled(ctx, fleet.StatusOrders)
	if err != nil {
		return err
	}
	for _, e := range disabled {
		n := webhookNeed(e)
		d.Say(doctor.Webhooks, doctor.Warn, strings.Join(n.Commands, " or "), "%s", n.Words)
	}
	figures, err := st.Fleet.Figures(ctx)
	if err != nil {
		return err
	}
	list, err := st.Webhooks.List(ctx, "")
	if err != nil {
		return err
	}
	d.Endpoints(status.At, list, figures.Webhooks)
	return nil
}

// redis looks at Redis.
func (d *examination) redis(ctx context.Context) {
	cfg, err := config.LoadFor(d.environ, config.UseWorker)
	if err != nil {
		d.Say(doctor.Redis, doctor.Skip, "", "not looked at: its settings cannot be used")
		return
	}
	client, err := connectRedis(cfg)
	if err != nil {
		d.Say(doctor.Redis, doctor.Fail, "set REDIS_URL", "%v", err)
		return
	}
	defer func() { _ = client.Close() }() // what was asked for is there
	d.Queue(ctx, client, askRedis(client))
}
