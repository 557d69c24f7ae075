package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/queue/redisserver/child"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/session"
)

// pooled puts a PgBouncer before a database, and returns its address there.
func pooled(t *testing.T, behind, mode string, lines ...string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; !executable(program) {
			t.Skip("there is no PgBouncer; install it with: apt-get install pgbouncer")
		}
	}
	address, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	u := *address
	password, _ := address.User.Password()
	for range 20 {
		port := 20000 + rand.IntN(12000)
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if runPooler(t, program, u.Host, append([]string{
			"[databases]",
			fmt.Sprintf("* = host=%s port=%s user=%s password=%s", address.Hostname(), address.Port(), address.User.Username(), password),
			"[pgbouncer]", "listen_addr = 127.0.0.1", "listen_port = " + strconv.Itoa(port), "unix_socket_dir =", "auth_type = any", "pool_mode = " + mode,
		}, lines...)) {
			return u.String()
		}
	}
	t.Fatal("no port stayed free until PgBouncer took it")
	return ""
}

// runPooler says whether a PgBouncer now listens there. One that finds the port taken ends.
func runPooler(t *testing.T, program, host string, configuration []string) bool {
	t.Helper()
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host); err == nil {
		_ = conn.Close()
		return false
	}
	path := filepath.Join(t.TempDir(), "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(strings.Join(configuration, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{path}
	if os.Geteuid() == 0 { // which it does not want to be
		args = []string{"-u", "nobody", path}
	}
	bouncer, err := child.Start(exec.Command(program, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bouncer.Kill(); err != nil {
			t.Error(err)
		}
	})
	for {
		select {
		case <-bouncer.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
		if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host); err == nil {
			_ = conn.Close()
			return true
		}
	}
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

// A pooler hands a session with somebody else's settings on, or none of ours, and none of it can be relied on. Whoever puts one in
// between is told so, in whichever mode it works, and whether it refuses our settings or swallows them.
func TestPoolersAreRefused(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t, migrate)
	everything := "ignore_startup_parameters = client_encoding,default_transaction_isolation,idle_in_transaction_session_timeout,lock_timeout," +
		"statement_timeout,tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count,tcp_user_timeout,enable_seqscan,enable_hashjoin," +
		"enable_mergejoin,jit,application_name,default_transaction_read_only,options"
	for name, lines := range map[string][]string{"refuses": nil, "swallows": {everything}} {
		for _, mode := range []string{"session", "transaction"} {
			t.Run(mode+" "+name, func(t *testing.T) {
				t.Parallel()
				through := pooled(t, address, mode, lines...)
				conn, err := pgx.Connect(t.Context(), through)
				if err != nil {
					t.Fatalf("nobody comes through: %v", err)
				}
				defer func() { _ = conn.Close(t.Context()) }()
				st, err := store.Open(t.Context(), through, store.Options{})
				var refused *session.RefusedError
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), "not to a pooler") || strings.Contains(err.Error(), "\n") {
					t.Errorf("it says %v", err)
				}
				if err == nil {
					st.Close()
				}
			})
		}
	}
}
