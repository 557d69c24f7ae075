package worker

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// simFaults lets statements that write be refused with a code of Postgres' own: as many as the sequence says, by an error
// that no rollback undoes. The sequence holds 1000 times the place of the code and the statements that are left.
const simFaults = `
	CREATE SEQUENCE sim.faults;
	SELECT setval('sim.faults', 1000);
	CREATE FUNCTION sim.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		codes text[] := ARRAY['25006', '58030', '53100', '55P03', 'XX000', '42P01', '40001', 'P0001'];
		n bigint := pg_catalog.pg_sequence_last_value('sim.faults'::regclass);
	BEGIN
		PERFORM pg_catalog.setval('sim.faults', n - 1);
		RAISE EXCEPTION 'simulated' USING ERRCODE = codes[n / 1000];
	END $$;
	DO $$ DECLARE name text; BEGIN
		FOREACH name IN ARRAY ARRAY['jobs', 'claims', 'calls', 'attempts', 'readings', 'chunks', 'holds', 'registration_days', 'tokens'] LOOP
			EXECUTE format('CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON %I FOR EACH STATEMENT
				WHEN (pg_catalog.pg_sequence_last_value(''sim.faults''::regclass) %% 1000 > 0) EXECUTE FUNCTION sim.refuse()', name);
		END LOOP;
	END $$`

// simCodes is how many codes there are.
const simCodes = 8

// refuseStatements lets Postgres refuse the next few statements that write, with one code.
func (w *world) refuseStatements() {
	n := 1 + w.rng.IntN(8)
	code := 1 + w.rng.IntN(simCodes)
	w.log("Postgres refuses %d statements by code %d", n, code)
	w.refused += n
	w.db.exec(w.t, `SELECT setval('sim.faults', $1)`, code*1000+n)
}

// freeze lets a transaction stand still that has locked what a worker would have: a claim, and a job under it. The server
// ends it in the end.
func (w *world) freeze() {
	if len(w.locks) > 0 {
		w.thaw()
		return
	}
	w.stirred, w.aged = true, true
	conn, err := pgx.Connect(w.t.Context(), w.db.address)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := conn.Exec(w.t.Context(), `BEGIN; SELECT FROM claims WHERE closed_at IS NULL ORDER BY taken_at LIMIT 1 FOR UPDATE SKIP LOCKED;
		SELECT FROM jobs WHERE state = 'running' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`); err != nil {
		w.t.Fatal(err)
	}
	w.log("a transaction stands still")
	w.frozen++
	w.locks = append(w.locks, conn)
}

// thaw ends what stands still, and lets Postgres take everything again.
func (w *world) thaw() {
	for _, conn := range w.locks {
		w.log("the transaction that stood still is ended")
		// Its end is waited for: a session whose connection closes may hold its locks for a while yet.
		ctx := context.WithoutCancel(w.t.Context())
		_, err := conn.Exec(ctx, "ROLLBACK")
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.locks = nil
	w.db.exec(w.t, `SELECT setval('sim.faults', 1000)`)
}

// simMetronome gives out times for an account's calls, over all processes.
type simMetronome struct {
	w     *world
	every time.Duration
	next  time.Time
}

// Reserve implements gate.Pacer.
func (m *simMetronome) Reserve(context.Context) time.Duration {
	now := m.w.db.now
	if m.next.Before(now) {
		m.next = now
	}
	wait := m.next.Sub(now)
	m.next = m.next.Add(m.every)
	return wait
}
