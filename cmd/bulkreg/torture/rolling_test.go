package torture

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// rollouts replace every process while order systems order.
func rollouts() []scenario {
	return []scenario{{
		name: "every process replaced as the manifests say", quick: true, run: rollOut,
		needs: needs{sandbox: []string{"--latency", "1s"}},
	}}
}

const (
	replicas = 2
	// propagation is how long requests may still be led to a pod that is deleted. The API's preStop outlasts it.
	propagation = 3 * time.Second
)

// deployments are the API and the workers, by their manifests.
func (w *world) deployments() []*deployment {
	w.t.Helper()
	api := &deployment{name: "api", args: argsOf(w.t, "base/api.yaml"), times: timesOf(w.t, "base/api.yaml"), listens: apiListens}
	all := []*deployment{api}
	for _, kind := range []string{"whois", "register"} {
		all = append(all, &deployment{
			name: kind + " worker", args: argsOf(w.t, "base/worker-"+kind+".yaml"), times: timesOf(w.t, "base/patches/worker.yaml"), listens: metricsListens,
		})
	}
	if api.times.preStop <= propagation {
		w.t.Fatalf("an API pauses %v, and requests come for %v", api.times.preStop, propagation)
	}
	return all
}

// rollOut replaces two pods of each deployment one after the other, a new one first, and no order system sees any of it.
func rollOut(w *world) {
	for _, name := range []string{"UPSTREAM_TIMEOUT", "TERMINATION_GRACE_PERIOD"} {
		w.settings[name] = settingOf(w.t, name)
	}
	all := w.deployments()
	for _, d := range all {
		for range replicas {
			w.add(d)
		}
	}
	w.allReady(all)
	front := &service{}
	front.lead(all[0].pods)
	shops := w.openShops(front)
	for range replicas {
		for _, d := range all {
			w.add(d)
		}
		w.allReady(all)
		front.lead(all[0].pods)
		w.retire(all, front, shops)
	}
	w.closeShops(shops)
	w.settled()
	w.unhurt()
}

func (w *world) allReady(all []*deployment) {
	w.t.Helper()
	w.await("every pod is ready", func() (bool, error) {
		for _, d := range all {
			for _, p := range d.pods {
				if !p.ready.Load() {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

// retire deletes the oldest pod of each deployment, and waits until they have ended.
func (w *world) retire(all []*deployment, front *service, shops *shops) {
	w.t.Helper()
	var old []*pod
	for _, d := range all {
		p := d.pods[0]
		d.pods = d.pods[1:]
		old = append(old, p)
		p.delete()
		if d.times.preStop == 0 {
			w.signal(p.process, syscall.SIGTERM)
		}
	}
	pass(w.t, propagation)
	front.lead(all[0].pods)
	api := old[0]
	late := shops.beginOrder(w, api)
	pass(w.t, time.Until(api.deleted.Add(api.times.preStop)))
	w.signal(api.process, syscall.SIGTERM)
	w.await("the API stops", func() (bool, error) { return strings.Contains(api.said(w.t), `"message":"stopping: `), nil })
	late.finish()
	for _, p := range old {
		w.ends(p)
	}
	w.prove("API replaced")
	w.prove("workers replaced")
	w.proveCount("calls that ended after their worker was told to stop", w.callsAfter(old[len(old)-1]))
}

// callsAfter is how many registering calls a worker saw through after it was deleted.
func (w *world) callsAfter(p *pod) int {
	w.t.Helper()
	host, err := os.Hostname()
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := w.sql(`SELECT count(*) FROM calls k JOIN claims c ON c.id = k.claim_id WHERE c.worker = $1 AND k.finished_at > $2`,
		fmt.Sprintf("%s/%d", host, p.Pid()), p.deleted)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
