package torture

import (
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// refusals let Postgres refuse writes, in words that pass by themselves: it fails over (25006), its disk fails (58030) or is
// full (53100), somebody holds a lock (55P03), it is broken inside (XX000), or a migration is under way (42P01). None of them may cost a
// reply that was read, or a producer's chunk.
func refusals() []scenario {
	var all []scenario
	for _, code := range []string{"25006", "58030", "53100", "55P03", "XX000", "42P01"} {
		all = append(all, scenario{
			name: "Postgres says " + code + " while replies arrive", run: func(w *world) { refuseReplies(w, code, 6*time.Second) },
		}, scenario{
			name: "Postgres says " + code + " while producers' chunks arrive", run: func(w *world) { refuseChunks(w, code) },
		})
	}
	return append(all,
		scenario{name: "Postgres refuses replies in six ways", quick: true, run: refuseInTurn},
		scenario{
			name: "Postgres says 25006 for longer than a lease while replies arrive", want: expectation{redelivered: true},
			run: func(w *world) { refuseReplies(w, "25006", lease+10*time.Second) },
		},
		scenario{
			name: "a reading written, and the settle after it refused", run: refuseAfterReading,
			want: expectation{unconfirmed: batchSize},
		},
	)
}

// refuse lets Postgres refuse one kind of write with an SQLSTATE, until lift is called, which says how often it has done so. A
// sequence counts: what a transaction takes from it stays taken when it is rolled back.
func (w *world) refuse(code, table, write string) (refused, lift func() int) {
	w.t.Helper()
	w.refusals++
	name := fmt.Sprintf("torture_%d", w.refusals)
	w.exec(fmt.Sprintf(`
		CREATE SEQUENCE %[1]s;
		CREATE FUNCTION %[1]s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			PERFORM nextval('%[1]s'); RAISE EXCEPTION 'refused by the torture' USING ERRCODE = '%[2]s';
		END $$;
		CREATE TRIGGER %[1]s BEFORE %[4]s ON %[3]s FOR EACH ROW EXECUTE FUNCTION %[1]s()`, name, code, table, write))
	refused = func() int {
		w.t.Helper()
		n, err := w.sql(`SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ` + name)
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	return refused, func() int {
		w.t.Helper()
		w.exec(fmt.Sprintf(`DROP TRIGGER %[1]s ON %[2]s`, name, table))
		return refused()
	}
}

// exec runs statements as a person would, who is no worker.
func (w *world) exec(statements string) {
	w.t.Helper()
	conn, err := w.connect()
	if err != nil {
		w.t.Fatal(err)
	}
	defer w.disconnect(conn)
	if _, err := conn.Exec(w.t.Context(), statements); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) meets(what string, refused func() int) {
	w.t.Helper()
	w.await(what, func() (bool, error) { return refused() > 0, nil })
}

func refuseReplies(w *world, code string, d time.Duration) {
	refused, lift := w.refuse(code, "attempts", "UPDATE")
	w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.meets("Postgres refuses a reply", refused)
	pass(w.t, d)
	w.proveCount("Postgres says "+code+" while replies arrive", lift())
}

// refuseInTurn lets Postgres refuse replies in six ways, one after the other.
func refuseInTurn(w *world) {
	w.worker()
	for _, code := range []string{"25006", "58030", "53100", "55P03", "XX000", "42P01"} {
		refused, lift := w.refuse(code, "attempts", "UPDATE")
		w.register(code, names("c"+strings.ToLower(code), batchSize)...)
		w.meets("Postgres refuses a reply with "+code, refused)
		w.proveCount("Postgres says "+code+" while replies arrive", lift())
	}
}

func refuseChunks(w *world, code string) {
	refused, lift := w.refuse(code, "orders", "INSERT")
	w.worker()
	for i := range 5 {
		w.produce(queue.Register, "own", names(fmt.Sprintf("p%d", i), batchSize))
	}
	w.meets("Postgres refuses a producer's chunk", refused)
	pass(w.t, 5*time.Second)
	w.proveCount("Postgres says "+code+" while producers' chunks arrive", lift())
	w.adopted("own")
}

// The first call is lost before it has an effect. WHOIS is read, and what follows from the reading cannot be written down for a
// while: readings still lie as far apart as they should.
func refuseAfterReading(w *world) {
	cut := w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindCut})
	w.settings["RECONCILE_EVERY"], w.settings["RECONCILE_AFTER"] = "2s", "1s"
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.hit(cut)
	w.await("WHOIS was read again", func() (bool, error) {
		n, err := w.sql(`SELECT count(*) FROM readings r JOIN calls k ON k.id = r.call_id
			WHERE k.started_at > (SELECT max(deadline) FROM calls WHERE op = 'register')`)
		return n > 0, err
	})
	refused, lift := w.refuse("40001", "jobs", "UPDATE")
	w.meets("Postgres refuses to settle a reading", refused)
	pass(w.t, 4*time.Second)
	w.proveCount("a reading written, and the settle after it refused", lift())
	w.settled()
	w.spaced(2 * time.Second)
}

// spaced checks, in the upstream's own book, that between two sends of a domain WHOIS was asked at least twice, so far apart (I5).
func (w *world) spaced(every time.Duration) {
	w.t.Helper()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	asked := map[string][]time.Time{}
	for _, r := range ledger.Received(sandbox.OpWhois) {
		asked[r.Domain] = append(asked[r.Domain], r.At)
	}
	again := 0
	for _, domain := range ledger.PaidDomains() {
		sends := ledger.Sends(domain)
		for i := 1; i < len(sends); i++ {
			again++
			readings, last := 0, time.Time{}
			for _, at := range asked[domain] {
				if at.After(sends[i-1].At) && at.Before(sends[i].At) && at.Sub(last) >= every-100*time.Millisecond {
					readings, last = readings+1, at
				}
			}
			if readings < 2 {
				w.t.Errorf("I5: %s was sent again after %v and %d readings that lie %v apart", domain, sends[i].At.Sub(sends[i-1].At), readings, every)
			}
		}
	}
	w.proveCount("domains sent again after readings", again)
}
