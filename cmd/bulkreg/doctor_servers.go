package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/pg"
)

const (
	// clockDifference is by how much clocks may differ before it is odd: leases outlast calls by 15 s.
	clockDifference = 5 * time.Second
	// longTx is how long a transaction may be open before it is odd.
	longTx = 15 * time.Minute
	// someDead is from how many dead versions of rows on it matters that there are as many as rows.
	someDead = 100_000
)

// postgres looks at the database, and at the work that stands in it.
func (d *doctor) postgres(ctx context.Context) {
	const about = "postgres"
	cfg, err := config.LoadFor(d.environ, config.UseStore|config.UseOrders)
	if err != nil {
		d.say(about, unknown, "", "not looked at: its settings cannot be used")
		return
	}
	if _, err := cfg.Database(); err != nil {
		d.say(about, ill, "set DATABASE_URL", "%v", err)
		return
	}
	var warnings []string
	st, err := openForOrders(ctx, cfg, func(w string) { warnings = append(warnings, w) })
	if err != nil {
		d.say(about, ill, remedyOfPostgres(err), "%s", oneLine(err))
		return
	}
	defer st.Close()
	for _, w := range warnings {
		d.say(about, odd, "", "%s", w)
	}
	d.server(ctx, st)
	d.work(ctx, st)
}

// remedyOfPostgres is what to do where the database cannot be worked on.
func remedyOfPostgres(err error) string {
	var schema *pg.SchemaError
	switch {
	case errors.As(err, &schema) && schema.Have < schema.Want:
		return "run `bulkreg migrate`"
	case errors.As(err, &schema):
		return "use a newer bulkreg"
	case errors.Is(err, pg.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return "see that Postgres runs, and that DATABASE_URL leads to it"
	}
	return ""
}

func (d *doctor) server(ctx context.Context, st *store.Store) {
	const about = "postgres"
	if err := st.Writable(ctx); err != nil {
		d.say(about, ill, "let DATABASE_URL lead to the primary, and see that its disk is not full", "it takes no writes: %s", oneLine(err))
	}
	asked := time.Now()
	e, err := st.Examine(ctx)
	if err != nil {
		d.say(about, ill, "", "%s", oneLine(err))
		return
	}
	d.say(about, healthy, "", "version %s, with the schema that this program needs", e.Version)
	d.clock(about, e.Now, asked)
	if e.OldestTx > longTx {
		d.say(about, odd, "see in pg_stat_activity whose it is, and end it", "a transaction is open for %s: it keeps vacuum from its work", ago(e.OldestTx))
	}
	if e.Dead > someDead && e.Dead > e.Rows {
		d.say(about, odd, "see whether autovacuum is on", "the table jobs has %s rows and %s dead versions", term.Thousands(int(e.Rows)), term.Thousands(int(e.Dead)))
	}
}

// clock compares a server's clock with this machine's.
func (d *doctor) clock(about string, theirs, asked time.Time) {
	difference := theirs.Sub(asked)
	if took := time.Since(asked); difference > 0 {
		difference = max(0, difference-took) // it may have looked at the end of that time
	}
	if difference.Abs() > clockDifference {
		d.say(about, odd, "let the machines keep their clocks by NTP", "its clock and this machine's differ by %s", difference.Abs().Round(time.Second))
	}
}

// work is what `bulkreg status` says.
func (d *doctor) work(ctx context.Context, st *store.Store) {
	const about = "work"
	status, err := st.Fleet.Status(ctx)
	if err != nil {
		d.say(about, ill, "", "%s", oneLine(err))
		return
	}
	disabled, err := st.Webhooks.Disabled(ctx, fleet.StatusOrders)
	if err != nil {
		d.say(about, ill, "", "%s", oneLine(err))
		return
	}
	needs := needsOf(status, disabled)
	for _, n := range needs {
		d.say(about, odd, strings.Join(n.Commands, " or "), "%s", n.Words)
	}
	alive := 0
	for _, w := range status.Workers {
		if w.Alive {
			alive++
		}
	}
	if len(needs) == 0 {
		d.say(about, healthy, "", "nobody is needed; %s alive", term.Counted(alive, "worker is", "workers are"))
	}
}

// redis looks at Redis.
func (d *doctor) redis(ctx context.Context) {
	const about = "redis"
	cfg, err := config.LoadFor(d.environ, config.UseWorker)
	if err != nil {
		d.say(about, unknown, "", "not looked at: its settings cannot be used")
		return
	}
	client, err := connectRedis(cfg)
	if err != nil {
		d.say(about, ill, "set REDIS_URL", "%v", err)
		return
	}
	defer func() { _ = client.Close() }() // what was asked for is there
	asked := time.Now()
	now, err := client.Time(ctx).Result()
	if err != nil {
		d.say(about, ill, "see that Redis runs, and that REDIS_URL leads to it", "%s", oneLine(err))
		return
	}
	if err := askRedis(client)(ctx); err != nil {
		d.say(about, ill, "give it memory, or let REDIS_URL lead to the primary", "%s", oneLine(err))
	}
	d.clock(about, now, asked)
	d.redisSettings(ctx, client)
}

func (d *doctor) redisSettings(ctx context.Context, client redis.UniversalClient) {
	const about = "redis"
	info, err := client.Info(ctx, "server").Result()
	version := redisField(info, "redis_version")
	switch {
	case err != nil || version == "":
		d.say(about, unknown, "", "it does not tell its version to this user")
	case olderThan(version, 6, 2):
		d.say(about, ill, "take 6.2 or later", "version %s is too old", version)
	default:
		d.say(about, healthy, "", "version %s takes writes", version)
	}
	policy, err := client.ConfigGet(ctx, "maxmemory-policy").Result()
	switch {
	case err != nil:
		d.say(about, unknown, "see in its configuration that it is noeviction", "it does not tell its maxmemory-policy to this user")
	case policy["maxmemory-policy"] != "noeviction":
		d.say(about, ill, "set maxmemory-policy noeviction", "its maxmemory-policy is %s: it throws tasks away when it is full", policy["maxmemory-policy"])
	}
	if kept, err := client.ConfigGet(ctx, "appendonly").Result(); err == nil && kept["appendonly"] != "yes" {
		d.say(about, odd, "set appendonly yes", "it keeps no append-only file: after a crash, tasks of producers that no worker has taken are gone")
	}
}

// redisField is one value of Redis's INFO, whose lines have the form name:value.
func redisField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// olderThan compares the first two numbers of a version.
func olderThan(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return errors.Join(err, err2) == nil && (a < major || a == major && b < minor)
}

// hostPort is where a URL leads to.
func hostPort(host, port, scheme string) string {
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return net.JoinHostPort(host, port)
}
