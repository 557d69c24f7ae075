package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// Everything in one process, used from another one, and gone afterwards. Settings of a real registrar play no part.
func TestDev(t *testing.T) {
	t.Parallel()
	foreign := []string{"REGISTRAR_BASE_URL=http://127.0.0.1:1", "REGISTRAR_CLIENT_ID=real", "REGISTRAR_CLIENT_SECRET=hunter2",
		"REGISTRAR_PATH_CHECK=/elsewhere/{domain}"}
	dev := startCommand(t, append(foreign, "WHOIS_LINGER=10ms", "LOG_LEVEL=error"), "dev")
	dev.stderr.await(t, "Ctrl-C ends it", dev.ended)
	environ := exported(t, dev.stdout.String())
	if len(environ) != 10 {
		t.Fatalf("it exports %q", environ)
	}

	tried := 0 // what it tells a newcomer to try, as typed
	for line := range strings.Lines(dev.stderr.String()) {
		typed, ok := strings.CutPrefix(strings.TrimPrefix(line, "  echo example.nl | "), "bulkreg ")
		if !ok {
			if typed, ok = strings.CutPrefix(line, "  bulkreg "); !ok {
				continue
			}
		}
		tried++
		c := startCommandWith(t, "example.nl\n", environ, strings.Fields(typed)...)
		<-c.ended
		if r := c.result(); r.status != exitDone || r.stdout == "" {
			t.Errorf("%s: status %d, %s%s", typed, r.status, r.stdout, r.stderr)
		}
	}
	if tried != 4 {
		t.Errorf("it tells to try %d things: %s", tried, dev.stderr.String())
	}
	url := strings.TrimPrefix(environ[0], "DATABASE_URL=")
	whois := runCommand(t, environ, "whois", "example.nl")
	if whois.status != exitDone || !strings.Contains(whois.stdout, "taken") {
		t.Errorf("whois after the registration: status %d, %s%s", whois.status, whois.stdout, whois.stderr)
	}

	r := dev.stop()
	if r.status != exitDone {
		t.Errorf("status %d", r.status)
	}
	if strings.Contains(r.stderr+r.stdout, "hunter2") {
		t.Error("it prints the real registrar's secret")
	}
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		t.Errorf("its Postgres still runs: %v", conn.Close(t.Context()))
	}
	if again := runCommand(t, environ, "whois", "example.nl"); again.status != exitError {
		t.Errorf("its sandbox still runs: %s", again.stdout)
	}
}

// A database that dev did not make is left alone, whatever is in it: what comes in while dev runs would be played, too.
func TestDevRefusesADatabaseOfOthers(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, migrated)
	st := openTestStore(t, url)
	order := submitOrder(t, st, queue.Register, "precious", "a.nl")
	for range 2 {
		r := runCommand(t, []string{"DATABASE_URL=" + url}, "dev", "--demo")
		if r.status != exitUsage || !strings.Contains(r.stderr, "dev did not make the database at DATABASE_URL") {
			t.Errorf("status %d, %s", r.status, r.stderr)
		}
	}
	sum, err := st.Orders.Summarize(t.Context(), order)
	if err != nil || sum.Counts[record.Queued] != 1 {
		t.Errorf("the order: %v, %v", sum.Counts, err)
	}
}

func TestDevRefusesARedisOfOthers(t *testing.T) {
	t.Parallel()
	url := redistest.New(t)
	conn, err := asynq.ParseRedisURI(url)
	if err != nil {
		t.Fatal(err)
	}
	client := asynq.NewClient(conn)
	defer func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := client.Enqueue(asynq.NewTask("domain:register", []byte("{}")), asynq.Queue("register-bulk")); err != nil {
		t.Fatal(err)
	}
	r := runCommand(t, []string{"REDIS_URL=" + url}, "dev", "--demo")
	if r.status != exitUsage || !strings.Contains(r.stderr, "1 tasks of others wait in queue register-bulk of the Redis at REDIS_URL") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}

	server := asynq.NewServer(conn, asynq.Config{Queues: map[string]int{"other": 1}, LogLevel: asynq.FatalLevel})
	if err := server.Start(asynq.NewServeMux()); err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	inspector := asynq.NewInspector(conn)
	defer func() {
		if err := inspector.Close(); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, func() bool {
		servers, err := inspector.Servers()
		return err == nil && len(servers) == 1
	}, func() string { return "the server is not known" })
	r = runCommand(t, []string{"REDIS_URL=" + url}, "dev", "--demo")
	if r.status != exitUsage || !strings.Contains(r.stderr, fmt.Sprintf("(process %d) uses the Redis at REDIS_URL", os.Getpid())) {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

func TestDevSaysWhatItWasToUse(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"DATABASE_URL=postgres://u:hunter2@127.0.0.1:1/x": "unset it for a throwaway one",
		"REDIS_URL=redis://:hunter2@127.0.0.1:1":          "unset it for one in memory",
	} {
		r := runCommand(t, []string{setting}, "dev", "--demo")
		if r.status != exitError || !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "hunter2") {
			t.Errorf("%s: status %d, %s", setting, r.status, r.stderr)
		}
	}
}

func TestDevStopsWhatItStartedWhenItCannotGoOn(t *testing.T) {
	t.Parallel()
	taken := startCommand(t, nil, "sandbox", "--addr", "127.0.0.1:0")
	taken.stderr.await(t, "Ctrl-C ends it", taken.ended)
	addr := strings.TrimPrefix(exported(t, taken.stdout.String())[0], "REGISTRAR_BASE_URL=http://")
	r := runCommand(t, []string{"DATABASE_URL=" + pgtest.New(t)}, "dev", "--addr", addr)
	if r.status != exitError || !strings.Contains(r.stderr, "start sandbox") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}
