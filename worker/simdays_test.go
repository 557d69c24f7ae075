package worker

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// newLimitedWorld makes a world that begins shortly before a midnight, and whose accounts may have so many registrations a day.
func newLimitedWorld(t *testing.T, db *simDatabase, seed uint64, tune func(*Options)) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	limit := 1 + rng.IntN(3)
	db.set(t, db.now.Truncate(24*time.Hour).Add(24*time.Hour-time.Duration(rng.Int64N(int64(20*time.Minute)))))
	w := newWorld(t, db, seed, func(o *Options) { o.DailyLimit = limit; tune(o) })
	w.limit, w.held = limit, true
	if w.tokens != nil { // they have no limit, and whole days are more than they last
		w.tokens = nil
		for i := range w.procs {
			w.procs[i] = w.newProcess()
		}
	}
	return w
}

// judgeDays compares what was sold, by the days on which its calls began, with what was counted and with the limit. An operator who
// resumed an account on a day let it begin anew.
func (w *world) judgeDays() {
	if w.limit == 0 {
		return
	}
	domains, at := make([]string, len(w.registry.sales)), make([]time.Time, len(w.registry.sales))
	for i, s := range w.registry.sales {
		domains[i], at[i] = s.domain, s.at
	}
	// The world's own clock lags behind the database's by the microseconds that questions take.
	rows, err := w.db.conn.Query(w.t.Context(), `
		WITH sales AS (
			SELECT a.account, a.day, count(*) AS n FROM unnest($1::text[], $2::timestamptz[]) AS s (domain, at) CROSS JOIN LATERAL (
				SELECT j.account, (a.opened_at AT TIME ZONE 'UTC')::date AS day FROM attempts a JOIN jobs j ON j.id = a.job_id
				WHERE a.domain = s.domain AND a.opened_at <= s.at + interval '0.5 seconds' ORDER BY a.opened_at DESC LIMIT 1
			) AS a GROUP BY 1, 2
		), counted AS (
			SELECT j.account, (a.opened_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM attempts a JOIN jobs j ON j.id = a.job_id
			WHERE a.reserved GROUP BY 1, 2
		)
		SELECT format('%s on %s: sold %s, counted %s in %s attempts, began anew at %s', account, day, coalesce(sales.n, 0), d.reserved,
			coalesce(counted.n, 0), d.resumed)
		FROM registration_days d FULL JOIN sales USING (account, day) FULL JOIN counted USING (account, day)
		WHERE account = ANY($3) AND (d.reserved IS NULL OR coalesce(sales.n, 0) > d.reserved OR coalesce(counted.n, 0) <> d.reserved
			OR d.reserved > d.resumed + $4)`, domains, at, w.accounts, w.limit)
	if err != nil {
		w.t.Fatal(err)
	}
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, words := range wrong {
		w.fail("day: %s, of at most %d", words, w.limit)
	}
}

// Histories with a daily limit, over midnights. SIM_SEED repeats one.
func TestHistoriesWithADailyLimit(t *testing.T) {
	t.Parallel()
	first := number(t, "SIM_SEED", uint64(time.Now().UnixNano()))
	n := number(t, "SIM_HISTORIES", histories/10)
	db := newSimDatabase(t, simServer(t), "days")
	var days, used, anew int
	for i := range n {
		if i%historiesKept == historiesKept-1 {
			auditAll(t, db)
			db.empty(t)
		}
		w := newLimitedWorld(t, db, first+i, asByDefault)
		if failed := w.run(); len(failed) > 0 {
			t.Fatalf("SIM_SEED=%d: %s\n%s", first+i, strings.Join(failed, "; "), strings.Join(w.trace, "\n"))
		}
		var d, u, a int
		err := db.conn.QueryRow(t.Context(), `
			SELECT count(*), count(*) FILTER (WHERE reserved - resumed >= $2), count(*) FILTER (WHERE resumed > 0)
			FROM registration_days WHERE account = ANY($1)`, w.accounts, w.limit).Scan(&d, &u, &a)
		if err != nil {
			t.Fatal(err)
		}
		days, used, anew = days+d, used+u, anew+a
	}
	auditAll(t, db)
	if t.Logf("%d days, %d of them used up, %d begun anew", days, used, anew); n >= 500 && (days <= int(n) || used == 0 || anew == 0) {
		t.Error("what histories should meet never happened")
	}
}

// A worker without the limit of the others is found out.
func TestHistoriesFindUncountedRegistrations(t *testing.T) {
	t.Parallel()
	db := newSimDatabase(t, simServer(t), "uncounted")
	for seed := range uint64(1000) {
		made := 0
		w := newLimitedWorld(t, db, seed, func(o *Options) {
			if made++; made%2 == 0 {
				o.DailyLimit = 0
			}
		})
		if slices.ContainsFunc(w.run(), func(f string) bool { return strings.HasPrefix(f, "day: ") }) {
			t.Logf("found by seed %d", seed)
			return
		}
	}
	t.Error("the simulation does not find registrations beyond the limit")
}
