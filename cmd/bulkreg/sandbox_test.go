package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// startSandboxCommand runs `bulkreg sandbox` on a free port and returns the settings that it prints.
func startSandboxCommand(t *testing.T, args ...string) (*running, []string) {
	t.Helper()
	c := startCommand(t, nil, append([]string{"sandbox", "--addr", "127.0.0.1:0", "--latency", "0s"}, args...)...)
	c.stderr.await(t, "Ctrl-C ends it", c.ended)
	return c, exported(t, c.stdout.String())
}

func clientOf(t *testing.T, environ []string) *registrar.Client {
	t.Helper()
	cfg, err := config.Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	account, err := cfg.Account(config.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	client, err := newClient(cfg, account, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestSandboxServesWhatItPrints(t *testing.T) {
	t.Parallel()
	ledger := filepath.Join(t.TempDir(), "ledger.ndjson")
	c, environ := startSandboxCommand(t, "--balance", "1", "--ledger", ledger)
	for _, label := range sandbox.Labels() {
		if !strings.Contains(c.stderr.String(), label.Name+"-*") {
			t.Errorf("label %s is not in the table", label.Name)
		}
	}
	if strings.Contains(c.stdout.String(), "taken") {
		t.Errorf("more than what can be pasted is on stdout: %q", c.stdout.String())
	}
	reply, err := clientOf(t, environ).RegisterBulk(t.Context(), []registrar.Registration{{Domain: "example.nl", HolderID: sandbox.DefaultHolder}})
	if err != nil || len(reply.Results) != 1 || reply.Results[0].Outcome != registrar.Registered {
		t.Fatalf("register: %+v, %v", reply, err)
	}
	remote := sandbox.Remote{BaseURL: strings.TrimPrefix(environ[0], "REGISTRAR_BASE_URL=")}
	book, err := remote.Ledger(t.Context())
	if err != nil || book.Paid("example.nl") != 1 || book.Balances[sandbox.DefaultClientID] != 0 {
		t.Errorf("ledger: %+v, %v", book, err)
	}
	if r := c.stop(); r.status != exitDone {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}

	_, environ = startSandboxCommand(t, "--balance", "1", "--ledger", ledger)
	check, err := clientOf(t, environ).Check(t.Context(), "example.nl")
	if err != nil || check.Checks[0].Availability != registrar.Taken {
		t.Errorf("after a restart with the same ledger: %+v, %v", check, err)
	}
}

// An upstream at its worst: it is paid for what it can be paid for before it refuses, and once more for what is ours.
func TestSandboxAtItsWorst(t *testing.T) {
	t.Parallel()
	_, environ := startSandboxCommand(t, "--balance", "2", "--partial-402", "--charge-twice")
	client := clientOf(t, environ)
	one := registrar.Registration{Domain: "a.nl", HolderID: sandbox.DefaultHolder}
	if _, err := client.RegisterBulk(t.Context(), []registrar.Registration{one}); err != nil {
		t.Fatal(err)
	}
	two := registrar.Registration{Domain: "b.nl", HolderID: sandbox.DefaultHolder}
	reply, err := client.RegisterBulk(t.Context(), []registrar.Registration{one, two})
	if err == nil || reply.Status != 402 {
		t.Errorf("%+v, %v", reply, err)
	}
	ledger, err := sandbox.Remote{BaseURL: strings.TrimPrefix(environ[0], "REGISTRAR_BASE_URL=")}.Ledger(t.Context())
	if err != nil || ledger.Paid("a.nl") != 2 || ledger.Paid("b.nl") != 0 {
		t.Errorf("paid: %v, %v", ledger, err)
	}
}

func TestSandboxWithFurtherAccounts(t *testing.T) {
	t.Parallel()
	_, environ := startSandboxCommand(t, "--balance", "1", "--account", "brand-b:s1", "--account", "brand-c:s2")
	for _, account := range []string{"brand-b:s1", "brand-c:s2"} {
		id, secret, _ := strings.Cut(account, ":")
		client := clientOf(t, append(environ[:1:1], "REGISTRAR_CLIENT_ID="+id, "REGISTRAR_CLIENT_SECRET="+secret))
		one := registrar.Registration{Domain: id + ".nl", HolderID: sandbox.DefaultHolder}
		if reply, err := client.RegisterBulk(t.Context(), []registrar.Registration{one}); err != nil {
			t.Errorf("%s: %+v, %v", id, reply, err)
		}
	}
	for _, bad := range []string{"brand-b", ":s", "brand-b:"} {
		if r := runCommand(t, nil, "sandbox", "--addr", "127.0.0.1:0", "--account", bad); r.status != exitUsage || !strings.Contains(r.stderr, "CLIENT_ID:SECRET") {
			t.Errorf("%q: status %d, %s", bad, r.status, r.stderr)
		}
	}
}

func TestSandboxEndsAlthoughACallHangs(t *testing.T) {
	t.Parallel()
	server, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server.grace = 10 * time.Millisecond
	gate := server.Hold(sandbox.OpWhois, sandbox.BeforeEffect)
	client := clientOf(t, server.environ())
	failed := make(chan error, 1)
	go func() {
		_, err := client.Check(t.Context(), "example.nl")
		failed <- err
	}()
	<-gate.Held()
	if err := server.close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the call that hung was answered")
	}
}

func TestSandboxOnATakenPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := runCommand(t, nil, "sandbox", "--addr", listener.Addr().String())
	if r.status != exitError || !strings.Contains(r.stderr, "another --addr may be free") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"0.0.0.0:81": "127.0.0.1:81", "[::]:81": "127.0.0.1:81", "127.0.0.1:81": "127.0.0.1:81", "10.1.2.3:81": "10.1.2.3:81"} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(tcp); got != want {
			t.Errorf("%s is reached at %s, want %s", addr, got, want)
		}
	}
}
