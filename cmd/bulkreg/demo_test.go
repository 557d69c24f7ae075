package main

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// The first thing that anybody runs.
func TestDemo(t *testing.T) {
	t.Parallel()
	checkDemo(t, runCommand(t, nil, "dev", "--demo"), "demo-register")
}

// On a database of one's own it can be run again.
func TestDemoTwice(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=" + pgtest.New(t), "REDIS_URL=" + redistest.New(t)}
	checkDemo(t, runCommand(t, environ, "dev", "--demo"), "demo-register")
	checkDemo(t, runCommand(t, environ, "dev", "--demo"), "demo-register-2")
}

func checkDemo(t *testing.T, r result, reference string) {
	t.Helper()
	if r.status != exitDone {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	for _, want := range []string{
		"2,000 domains were checked", "1,700  available", "300  taken",
		"500 domains were ordered", "415  registered", "75  taken", `10  rejected  by the registrar, each with its words: "domain was refused by the registry"`,
		"415 registrations were paid, each once", "bulkreg order " + reference, "README.md",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is not in\n%s", want, r.stdout)
		}
	}
	for _, want := range []string{": 2,000/2,000", reference + ": 500/500"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is not in\n%s", want, r.stderr)
		}
	}
	if strings.Contains(r.stderr, `"level"`) {
		t.Errorf("it logs: %s", r.stderr)
	}
}

func TestDemoKeepsRunning(t *testing.T) {
	t.Parallel()
	dev := startCommand(t, nil, "dev", "--demo", "--keep")
	dev.stderr.await(t, "Ctrl-C ends it", dev.ended)
	order := runCommand(t, exported(t, dev.stdout.String()), "order", "demo-register")
	if order.status != exitDone || !strings.Contains(order.stdout, "registered 415") {
		t.Errorf("order: status %d, %s%s", order.status, order.stdout, order.stderr)
	}
	if r := dev.stop(); r.status != exitDone {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	demo := startCommand(t, []string{"DATABASE_URL=" + pgtest.New(t), "REDIS_URL=" + redistest.New(t)}, "dev", "--demo")
	demo.stderr.await(t, "An order of", demo.ended)
	if r := demo.stop(); r.status != exitInterrupted || !strings.Contains(r.stderr, "interrupted") || r.stdout != "" {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}
