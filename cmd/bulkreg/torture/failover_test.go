package torture

import (
	"fmt"
	"net"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/torture/proxy"
	"github.com/bulkreg/bulkreg/store/pgserver"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// failovers put another Postgres into the place of the first, one that has forgotten the last seconds: paid calls, their intents
// and their replies. Nothing may be paid for twice.
func failovers() []scenario {
	// What was paid for and forgotten is for a person to decide.
	want := expectation{unconfirmed: 6 * batchSize, redelivered: true, forgetful: true}
	own := needs{ownDatabase: true, settings: map[string]string{"REGISTER_CONCURRENCY": "1", "UPSTREAM_TIMEOUT": "4s"}}
	return []scenario{
		{name: "a standby promoted that has forgotten the last seconds", needs: own, want: want, run: func(w *world) { failOver(w, w.laggingStandby) }},
		{name: "a restored copy that has forgotten the last seconds", needs: own, want: want, run: func(w *world) { failOver(w, w.oldCopy) }},
	}
}

// successor is a Postgres that is to take the place of the first, and how it is made to.
type successor struct {
	server  *pgserver.Server
	promote func()
}

// failOver orders, makes a successor that knows the orders, lets it forget what then becomes of them, and puts it into place.
func failOver(w *world, prepare func() successor) {
	first := w.worker()
	w.register("before", names("b", batchSize)...)
	w.settled()
	w.stop(first)
	w.register("order", names("a", 6*batchSize)...)
	s := prepare()
	w.alsoAt(s.server)
	w.slowly(sandbox.OpRegister, "", 700*time.Millisecond)
	w.worker()
	w.bought(3 * batchSize)
	if err := w.server.Kill(); err != nil {
		w.t.Fatal(err)
	}
	s.promote()
	w.now(s.server)
	w.held(holds.Restored)
	w.prove("Postgres has forgotten paid calls")
	forgotten, err := w.sql(`SELECT count(*) FROM jobs WHERE outcome = 'registered'`)
	if err != nil {
		w.t.Fatal(err)
	}
	before := len(w.received(sandbox.OpRegister))
	pass(w.t, 4*time.Second)
	if after := len(w.received(sandbox.OpRegister)); after > before {
		w.t.Errorf("%d domains were sent under the restored hold", after-before)
	}
	w.t.Logf("%d of %d domains sent are known as registered", forgotten, before)
	resume := w.start("resume", w.environ(), "resume", "--yes")
	w.ended(resume)
	if resume.Err() != nil {
		w.t.Fatalf("resume: %v\n%s", resume.Err(), resume.said(w.t))
	}
	w.healed()
	w.worker()
	w.settled()
}

// laggingStandby is a standby that has received the orders, and then nothing more.
func (w *world) laggingStandby() successor {
	w.t.Helper()
	config, err := pgx.ParseConfig(w.server.URL(""))
	if err != nil {
		w.t.Fatal(err)
	}
	replication := w.proxy(proxy.Listen(pgNetwork(config)))
	host, port, err := net.SplitHostPort(replication.Addr())
	if err != nil {
		w.t.Fatal(err)
	}
	standby, err := w.server.Standby(w.t.Context(), map[string]string{
		"primary_conninfo": fmt.Sprintf("host=%s port=%s user=%s password=%s", host, port, config.User, config.Password),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.stopAtEnd(standby)
	w.await("the standby follows", func() (bool, error) {
		var lsn string
		if err := w.ask(w.server.URL(""), `SELECT pg_current_wal_lsn()::text`, &lsn); err != nil {
			return false, err
		}
		var follows bool
		err := w.ask(standby.URL(""), `SELECT pg_last_wal_replay_lsn() >= '`+lsn+`'::pg_lsn`, &follows)
		return follows, err
	})
	replication.Refuse()
	w.await("the standby follows no more", func() (bool, error) {
		var gone bool
		err := w.ask(standby.URL(""), `SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)`, &gone)
		return gone, err
	})
	return successor{standby, func() {
		w.t.Helper()
		var done bool
		if err := w.ask(standby.URL(""), `SELECT pg_promote()`, &done); err != nil || !done {
			w.t.Fatalf("promote the standby: %v, %v", done, err)
		}
	}}
}

// oldCopy is what a backup of now would be restored to.
func (w *world) oldCopy() successor {
	w.t.Helper()
	restored, err := w.server.Restored(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.stopAtEnd(restored)
	if err := w.server.Restart(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return successor{restored, func() {}}
}

func (w *world) stopAtEnd(s *pgserver.Server) {
	w.t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			w.t.Error(err)
		}
	})
}

// alsoAt names a second Postgres to the workers, to go to when the first is gone.
func (w *world) alsoAt(s *pgserver.Server) {
	w.t.Helper()
	config, err := pgx.ParseConfig(s.URL(""))
	if err != nil {
		w.t.Fatal(err)
	}
	network, target := pgNetwork(config)
	second := w.proxy(proxy.ListenPostgres(network, target))
	w.settings["DATABASE_URL"] = "postgres://" + pgUser(config) + "@" + w.toDatabase.Addr() + "," + second.Addr() + "/" + config.Database +
		"?sslmode=disable&target_session_attrs=read-write"
}

// now makes a Postgres the one that the scenario itself looks at.
func (w *world) now(s *pgserver.Server) {
	w.t.Helper()
	w.at(s.URL(""))
}

// ask runs one statement on a server; into is for its only value.
func (w *world) ask(url, statement string, into any) error {
	conn, err := pgx.Connect(w.t.Context(), url)
	if err != nil {
		return err
	}
	defer w.disconnect(conn)
	return conn.QueryRow(w.t.Context(), statement).Scan(into)
}

// received is what the upstream has got of an operation.
func (w *world) received(op sandbox.Op) []sandbox.Received {
	w.t.Helper()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return ledger.Received(op)
}

// standsFor reports whether for every time that a domain was sent an attempt stands, if perhaps one that was made up for what Postgres
// has forgotten.
func (w *world) standsFor(ledger *sandbox.Ledger, domain string) bool {
	w.t.Helper()
	n, err := w.sql(`SELECT count(*) FROM attempts WHERE domain = $1 AND state <> 'not_sent'`, domain)
	if err != nil {
		w.t.Fatal(err)
	}
	return n >= len(ledger.Sends(domain))
}
