package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/bench"
)

// asProgram is the environment variable that makes the test program be bulkreg. Its value tells the children of one
// test from those of another.
const asProgram = "BULKREG_TEST_AS_PROGRAM"

// bench starts its own program with other arguments, and in a test that is the test program.
func init() { //nolint:gochecknoinits // it must come before the tests, and TestMain is every test's
	if os.Getenv(asProgram) != "" {
		go main() // initialization holds its thread, which main, and what it does in turns with others, must not
		select {} // main ends the process
	}
}

// programEnviron is the environment of a bench, with settings that it must not heed.
func programEnviron(t *testing.T) []string {
	t.Helper()
	return append(os.Environ(), asProgram+"="+t.Name(),
		"DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "REDIS_URL_FILE=/nowhere", "WHOIS_BATCH_SIZE=7", "REGISTER_CONCURRENCY=0",
		"REGISTRAR_CLIENT_SECRET=hunter2", "REGISTRAR_ACCOUNTS_1_NAME=real")
}

func TestBenchMeasuresEveryRow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "figures.json")
	r := runCommand(t, programEnviron(t), "bench", "--domains", "300", "--seconds", "0.5", "--json", file)
	if r.status != exitDone {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report bench.Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	if m := report.Machine; m.Fsync != "on" || m.SynchronousCommit != "on" || m.SharedBuffers != "256MB" || m.Cores < 1 || m.Redis == "" {
		t.Errorf("machine: %+v", m)
	}
	domains := map[string]int{"whois-0ms": 300, "whois-50ms": 4000, "whois-200ms": 1000, "register-50ms": 1000, "token-50ms": 80, "one-domain": 6300, "api-orders": 1}
	if len(report.Rows) != len(domains) {
		t.Errorf("%d rows, want %d", len(report.Rows), len(domains))
	}
	for _, f := range report.Rows {
		if !strings.Contains(r.stdout, f.Row) {
			t.Errorf("%s is not in the table", f.Row)
		}
		if f.Domains != domains[f.Row] {
			t.Errorf("%s: %d domains, want %d", f.Row, f.Domains, domains[f.Row])
		}
		checkFigures(t, f)
	}
	if !strings.Contains(r.stdout, "under 1.00 s") || !strings.Contains(r.stdout, report.Machine.Go) {
		t.Errorf("printed:\n%s", r.stdout)
	}
	noChildren(t)
}

// checkFigures checks what must hold on any machine.
func checkFigures(t *testing.T, f bench.Figures) {
	t.Helper()
	if f.WorkerPeak < 1<<20 || f.WorkerPeak > 1<<30 || f.RedisPeak < 0 || f.RedisPeak > 1<<30 {
		t.Errorf("%s: the worker had %d bytes, Redis %d", f.Row, f.WorkerPeak, f.RedisPeak)
	}
	if a := f.Alone; a != nil {
		if len(a.Seconds) == 0 || a.Median <= f.LatencyMS/1000 || a.Worst < a.Median {
			t.Errorf("%s: %+v", f.Row, a)
		}
		return
	}
	if d := f.Door; d != nil {
		if d.Orders < 8 || d.Rate <= 0 || d.MedianMS <= 0 || d.P99MS < d.MedianMS || d.Large != 100_000 || d.LargeSec <= 0 {
			t.Errorf("%s: %+v", f.Row, d)
		}
		return
	}
	o := f.Order
	batch := 100.0
	switch f.Kind {
	case "register":
		batch = 50
	case "token":
		batch = 1
	}
	// A call that is not full is a matter of luck, one of another size is not.
	if calls := float64(f.Domains) / batch; float64(o.Calls) < calls || o.PerCall > batch || o.PerCall*float64(o.Calls) != float64(f.Domains) {
		t.Errorf("%s: %d calls of %g domains", f.Row, o.Calls, o.PerCall)
	}
	if (o.Checks > 0) != (f.Kind == "register") {
		t.Errorf("%s: %d checks", f.Row, o.Checks)
	}
	if o.Seconds <= o.SubmitSeconds || o.SubmitSeconds <= 0 || o.Rate <= 0 {
		t.Errorf("%s: %g s, submitted in %g s, %g a second", f.Row, o.Seconds, o.SubmitSeconds, o.Rate)
	}
	if (f.Limit > 0) != (f.LatencyMS > 0) || o.Share > 1 || (o.Share > 0) != (f.Limit > 0) {
		t.Errorf("%s: %g of the limit of %g", f.Row, o.Share, f.Limit)
	}
}

// noChildren checks that nothing runs any more that the bench of this test has started. Processes of a Postgres that was
// ended see so for themselves, which takes them a moment. Where the system does not tell, it cannot check.
func noChildren(t *testing.T) {
	t.Helper()
	const patience = 10 * time.Second
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		children := childrenOf(t)
		if len(children) == 0 {
			return
		}
		if time.Since(began) > patience {
			t.Errorf("%s still run", strings.Join(children, ", "))
			return
		}
	}
}

// childrenOf lists the processes that have the environment of this test's bench.
func childrenOf(t *testing.T) []string {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var children []string
	for _, path := range environs {
		environ, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(environ)+"\x00", asProgram+"="+t.Name()+"\x00") {
			children = append(children, filepath.Dir(path))
		}
	}
	return children
}

func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	running := startCommand(t, programEnviron(t), "bench", "--rows", "whois-50ms", "--seconds", "60")
	running.stderr.await(t, "whois-50ms:", running.ended)
	r := running.stop()
	if r.status != exitInterrupted || r.stdout != "" {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
	noChildren(t)
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no domains":       {[]string{"--domains", "0"}, "--domains 0: give 1 to 1,000,000"},
		"too many domains": {[]string{"--domains", "1000001"}, "give 1 to 1,000,000"},
		"no time":          {[]string{"--seconds", "0"}, "--seconds 0: give more than 0"},
		"no number":        {[]string{"--seconds", "NaN"}, "--seconds NaN: give more than 0"},
		"too long":         {[]string{"--seconds", "61"}, "at most 60"},
		"unknown row":      {[]string{"--rows", "whois-0ms,whois-1ms"}, `there is no row "whois-1ms": give some of whois-0ms, whois-50ms`},
		"no folder":        {[]string{"--json", "/nowhere/figures.json"}, "there is no folder /nowhere"},
		"an argument":      {[]string{"whois-0ms"}, "bench takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, nil, append([]string{"bench"}, tc.args...)...)
			if r.status != exitUsage || !strings.Contains(r.stderr, tc.want) {
				t.Errorf("status %d, %q, want %q", r.status, r.stderr, tc.want)
			}
		})
	}
}
