package doctor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// says checks that a report has a line with all of some words, and how that is.
func says(t *testing.T, r *Report, about string, h Health, words ...string) {
	t.Helper()
	if !slices.ContainsFunc(r.Found, func(f Finding) bool {
		return f.About == about && f.Health == h && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(f.Words+" | "+f.Do, w) })
	}) {
		t.Errorf("it does not say of %s that %q is %s: %+v", about, words, h, r.Found)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	answered := asked.Add(3 * time.Second)
	for theirs, want := range map[time.Duration]struct {
		health Health
		words  string
	}{
		0: {OK, "agree"}, 3 * time.Second: {OK, "agree"}, 8 * time.Second: {OK, "agree"}, -5 * time.Second: {OK, "agree"},
		9 * time.Second: {Warn, "6s ahead of this machine's"}, -time.Minute: {Warn, "1m0s behind this machine's"},
	} {
		r := &Report{}
		r.Clock("Postgres", asked.Add(theirs), asked, answered)
		says(t, r, Clocks, want.health, want.words, "Postgres")
	}
}

// server is a Postgres that answers as a test says.
type server struct {
	pg.Examination
	pg.Durability
	pg.Origin
	schema, examined, writable, committed error
	took                                  time.Duration
}

// asServer is a server under the names that Database has.
type asServer struct{ s server }

func (a asServer) CheckSchema(context.Context) error { return a.s.schema }
func (a asServer) Examine(context.Context) (pg.Examination, error) {
	return a.s.Examination, a.s.examined
}
func (a asServer) Durability(context.Context) (pg.Durability, error) { return a.s.Durability, nil }
func (a asServer) Origin(context.Context) (pg.Origin, error)         { return a.s.Origin, nil }
func (a asServer) Writable(context.Context) error                    { return a.s.writable }
func (a asServer) TryCommit(context.Context) (time.Duration, error)  { return a.s.took, a.s.committed }

func healthy() server {
	return server{
		Examination: pg.Examination{Version: "15.18", Number: 150018, Encoding: "UTF8", Now: time.Now(), Autovacuum: true,
			Tables: []pg.TableState{{Name: "jobs", Rows: 3_000_000, Dead: 1_400_000}, {Name: "chunks", Rows: 10, Dead: 100_000}}},
		Durability: pg.Durability{Fsync: true, FullPageWrites: true, SynchronousCommit: true, Standbys: 1},
		Origin:     pg.Origin{System: "7", Timeline: 3, KnownAt: time.Now()},
		took:       2 * time.Millisecond,
	}
}

func TestHealthyDatabase(t *testing.T) {
	t.Parallel()
	r := &Report{}
	if usable := r.Database(t.Context(), asServer{healthy()}); !usable {
		t.Error("the work in it cannot be looked at")
	}
	for _, f := range r.Found {
		if f.Health != OK || f.Do != "" {
			t.Errorf("got %+v", f)
		}
	}
	for _, words := range []string{"15.18", "UTF8", "schema", "a commit took 2ms", "fsync, full_page_writes and synchronous_commit are on",
		"commits wait for its 1 standby", "timeline 3, which is the one on record", "autovacuum is on"} {
		says(t, r, Postgres, OK, words)
	}
	says(t, r, Clocks, OK, "Postgres")
}

func TestDatabaseThatIsIll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*server)
		health Health
		words  []string
	}{
		"away":              {func(s *server) { s.examined = pg.ErrUnavailable }, Fail, []string{"see that Postgres runs"}},
		"another password":  {func(s *server) { s.examined = &pg.Error{Action: "connect", Code: "28P01"} }, Fail, []string{"DATABASE_URL"}},
		"old":               {func(s *server) { s.Version, s.Number = "12.9", 120009 }, Fail, []string{"12.9 is too old"}},
		"encoding":          {func(s *server) { s.Encoding = "LATIN1" }, Fail, []string{"LATIN1", "CREATE DATABASE"}},
		"no schema":         {func(s *server) { s.schema = &pg.SchemaError{Want: 3} }, Fail, []string{"bulkreg migrate"}},
		"newer schema":      {func(s *server) { s.schema = &pg.SchemaError{Have: 4, Want: 3} }, Fail, []string{"use a newer bulkreg"}},
		"standby":           {func(s *server) { s.Standby = true }, Fail, []string{"standby", "primary"}},
		"read-only":         {func(s *server) { s.writable = pg.ErrReadOnly }, Fail, []string{"takes no writes"}},
		"nobody to wait on": {func(s *server) { s.committed = context.DeadlineExceeded }, Fail, []string{"a commit does not end", "synchronous_standby_names"}},
		"slow":              {func(s *server) { s.took = time.Second }, Warn, []string{"a commit took 1s"}},
		"no fsync":          {func(s *server) { s.Fsync = false }, Fail, []string{"fsync is off", "paid for twice"}},
		"allowed":           {func(s *server) { s.Fsync, s.FullPageWrites, s.UnsafeAllowed = false, false, true }, Warn, []string{"fsync, full_page_writes are off", "bulkreg.unsafe"}},
		"asynchronous":      {func(s *server) { s.SynchronousCommit = false }, Warn, []string{"synchronous_commit is off"}},
		"async standby":     {func(s *server) { s.Standbys, s.Asynchronous = 2, 1 }, Warn, []string{"1 of its 2 standbys"}},
		"no standby":        {func(s *server) { s.Standbys = 0 }, OK, []string{"no standby follows it"}},
		"secretive":         {func(s *server) { s.OriginHidden, s.Timeline = true, 0 }, Warn, []string{"pg_control_system"}},
		"slots":             {func(s *server) { s.IdleSlots = []string{"a", "b"} }, Warn, []string{"a, b", "pg_drop_replication_slot"}},
		"promoted":          {func(s *server) { s.Other = "Postgres is on timeline 3, and was on 2" }, Warn, []string{"was on 2", "bulkreg resume"}},
		"no autovacuum":     {func(s *server) { s.Autovacuum = false }, Warn, []string{"autovacuum is off"}},
		"open transaction":  {func(s *server) { s.OldestTx, s.OldestIs = 3*time.Hour, "process 7" }, Warn, []string{"3h (process 7)"}},
		"dead rows":         {func(s *server) { s.Tables[0].Dead = 1_600_000 }, Warn, []string{"jobs has 3,000,000 rows", "1,600,000 dead", "VACUUM jobs"}},
		"dead rows alone":   {func(s *server) { s.Tables[1].Dead++ }, Warn, []string{"chunks has 10 rows"}},
		"unvacuumed":        {func(s *server) { s.Tables[1].Unvacuumed = true }, Warn, []string{"ALTER TABLE chunks RESET"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := healthy(), &Report{}
			c.change(&s)
			if usable := r.Database(t.Context(), asServer{s}); usable != (s.schema == nil && s.examined == nil) {
				t.Errorf("usable: %t", usable)
			}
			says(t, r, Postgres, c.health, c.words...)
			if want := map[Health]int{Fail: 1, Warn: 1}[c.health]; r.Count(Fail)+r.Count(Warn) != want {
				t.Errorf("got %+v", r.Found)
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	r := &Report{}
	r.Endpoints(now, []webhooks.Endpoint{{ID: "good", Waiting: 10}}, fleet.WebhookFigures{})
	says(t, r, Webhooks, OK, "1 webhook,")
	r = &Report{}
	r.Endpoints(now, []webhooks.Endpoint{
		{ID: "good"}, {ID: "gone", DisabledAt: now, FailingSince: now.Add(-time.Hour)},
		{ID: "fails", Source: "shop", FailingSince: now.Add(-2 * time.Hour), Waiting: 1}, {ID: "slow", Source: "shop", Waiting: 10_000},
	}, fleet.WebhookFigures{Disabled: 1, Overdue: 5 * time.Minute})
	says(t, r, Webhooks, Warn, "fails of source shop has failed for 2h, and 1 delivery waits", "bulkreg webhooks deliveries fails")
	says(t, r, Webhooks, Warn, "slow of source shop is slow: 10,000 deliveries wait")
	says(t, r, Webhooks, Warn, "should have been made 5m ago")
	if len(r.Found) != 3 {
		t.Errorf("got %+v", r.Found)
	}
	r = &Report{}
	r.Endpoints(now, slices.Repeat([]webhooks.Endpoint{{ID: "fails", FailingSince: now}}, 22), fleet.WebhookFigures{})
	if says(t, r, Webhooks, Warn, "2 more webhooks are like that"); len(r.Found) != 21 {
		t.Errorf("got %d lines", len(r.Found))
	}
}

func TestSortKeepsWhatIsAboutTheSameTogether(t *testing.T) {
	t.Parallel()
	r := &Report{}
	for _, about := range []string{Jobs, Postgres, Clocks, Postgres, Settings} {
		r.Say(about, OK, "", "%d", len(r.Found))
	}
	r.Sort()
	var order []string
	for _, f := range r.Found {
		order = append(order, f.Words)
	}
	if !slices.Equal(order, []string{"4", "1", "3", "2", "0"}) {
		t.Errorf("got %q", order)
	}
}
