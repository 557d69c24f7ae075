package torture

import (
	"fmt"
	"os"
	"strings"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// repliesCount checks that a success that a worker has read, and outlived, ended as registered (I14). It cannot tell where the line
// to the upstream was broken or slowed down, or the upstream itself broke.
func (w *world) repliesCount() {
	w.t.Helper()
	if c := w.toUpstream.Counts(); c.Cut+c.Swallowed+c.Dropped+c.Trickled+c.Delayed > 0 || w.upstreams() > 1 {
		return
	}
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		w.t.Fatal(err)
	}
	var alive []string
	for _, p := range w.workers() {
		alive = append(alive, fmt.Sprintf("%s/%d", host, p.Pid()))
	}
	// What this machine was too slow to read in time was not read.
	n, err := w.sql(`
		SELECT count(*) FROM jobs j
		CROSS JOIN LATERAL (SELECT call_id FROM attempts WHERE job_id = j.id ORDER BY opened_at DESC LIMIT 1) AS newest
		JOIN calls k ON k.id = newest.call_id JOIN claims c ON c.id = k.claim_id
		WHERE j.domain = ANY($1) AND j.kind = 'register' AND c.worker = ANY($2) AND j.outcome IS DISTINCT FROM 'registered'
		AND coalesce(k.error, '') NOT LIKE '%no whole reply within%'`, w.successes(ledger), alive)
	if err != nil {
		w.t.Fatal(err)
	}
	if n > 0 {
		w.t.Errorf("I14: %d successes that were read did not end as registered", n)
	}
}

// successes are the domains whose registration the upstream has answered as it should.
func (w *world) successes(ledger *sandbox.Ledger) []string {
	domains := []string{}
	for _, c := range ledger.Calls {
		if c.Op != sandbox.OpRegister || c.Status != 200 || c.Fault != "" && !w.slowed[c.Fault] {
			continue
		}
		for _, i := range c.Items {
			if i.Paid && !i.Accepted {
				domains = append(domains, i.Domain)
			}
		}
	}
	return domains
}

func (w *world) upstreams() (n int) {
	for _, p := range w.processes {
		if strings.HasSuffix(p.name, "sandbox") {
			n++
		}
	}
	return n
}
