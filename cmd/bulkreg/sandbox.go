package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/queue/listener"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func (a *app) sandboxCommand() *cobra.Command {
	var (
		addr, ledger   string
		latency        time.Duration
		balance        int
		twice, partial bool
		further        []string
	)
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Simulate the registrar, in memory: nothing is bought",
		Long: `Simulate the registrar, in memory, so that bulkreg can be tried and tested. Nothing is bought.

The first label of a domain scripts what becomes of it; the table is printed at the start. Everything received and
paid is at /sandbox/ledger, and /sandbox/faults makes calls fail. Nothing asks for a password there: keep it on the
loopback address.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if latency < 0 {
				return usagef("--latency is negative: give 0 or more, such as 50ms")
			}
			options := sandboxOptions(latency, latency, balance, ledger)
			options.ChargeTwice, options.PartialOn402 = twice, partial
			for _, given := range further {
				id, secret, ok := strings.Cut(given, ":")
				if !ok || id == "" || secret == "" {
					return usagef("--account %q is no account: give CLIENT_ID:SECRET, such as brand-b:demo-secret", given)
				}
				options.Accounts[id] = sandbox.Account{Secret: secret, Balance: balance, DirectDebit: true}
			}
			return a.runSandbox(cmd.Context(), addr, options)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&addr, "addr", "127.0.0.1:8081", "`HOST:PORT` to listen on; port 0 is a free one")
	flags.DurationVar(&latency, "latency", 50*time.Millisecond, "how long each call takes")
	flags.IntVar(&balance, "balance", sandbox.Unlimited, "how many registrations the account can pay for: `N`; -1 is without limit")
	flags.StringSliceVar(&further, "account", nil, "a further account, with the same balance, by its `CLIENT_ID:SECRET`; may be repeated")
	flags.StringVar(&ledger, "ledger", "", "`FILE` that keeps what was received and paid, for the next start")
	flags.BoolVar(&twice, "charge-twice", false, "register a domain that is already ours once more, and be paid once more")
	flags.BoolVar(&partial, "partial-402", false, "let a short balance pay for what it can before a call is refused")
	return cmd
}

func sandboxOptions(whois, register time.Duration, balance int, ledger string) sandbox.Options {
	return sandbox.Options{
		Accounts: map[string]sandbox.Account{
			sandbox.DefaultClientID: {Secret: sandbox.DefaultClientSecret, Balance: balance, DirectDebit: true},
		},
		Latency:    sandbox.Latency{Whois: whois, Register: register, Holder: whois, Token: whois},
		LedgerPath: ledger,
	}
}

func (a *app) runSandbox(ctx context.Context, addr string, options sandbox.Options) error {
	server, err := startSandbox(ctx, addr, options)
	if err != nil {
		return err
	}
	for _, variable := range server.environ() {
		fmt.Fprintln(a.stdout, "export", variable)
	}
	if err := printLabels(a.stderr); err != nil {
		return errors.Join(err, server.close())
	}
	say(a.stderr, "\nThe registrar is simulated at %s; its ledger is at %s/sandbox/ledger. Ctrl-C ends it.\n", server.url, server.url)
	select {
	case <-ctx.Done():
	case <-server.ended:
	}
	return server.close()
}

// printLabels tells people how to script a domain's fate.
func printLabels(w io.Writer) error {
	fmt.Fprintf(w, "The first label of a domain scripts what becomes of it, as in taken-1.nl:\n\n")
	t := newTable(w, "LABEL", "WHOIS SAYS", "REGISTRATION")
	for _, label := range sandbox.Labels() {
		t.row(label.Name+"-*", label.Whois, label.Register)
	}
	t.row("any other", "available until registered", "registered")
	return t.end()
}

const (
	sandboxGrace = 3 * time.Second
	// callersAtOnce is how many connections the sandbox holds: more than workers in tests and benchmarks have.
	callersAtOnce = 512
)

// sandboxServer serves a sandbox until it is closed.
type sandboxServer struct {
	*sandbox.Sandbox
	url   string
	http  *http.Server
	grace time.Duration // what calls in flight get to end by themselves
	ended chan struct{} // closed when it serves no more
	err   error         // why, unless it was closed; read after ended
}

func startSandbox(ctx context.Context, addr string, options sandbox.Options) (*sandboxServer, error) {
	if addr == config.Off || !config.Listenable(addr) {
		return nil, usagef("--addr %q is no address to listen on: give host:port, such as 127.0.0.1:8081; port 0 is a free one", addr)
	}
	var listen net.ListenConfig
	port, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start sandbox: %w (another --addr may be free, 127.0.0.1:0 always is)", err)
	}
	sb, err := sandbox.New(options)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start sandbox: %w", err), port.Close())
	}
	s := &sandboxServer{
		Sandbox: sb,
		url:     "http://" + reachable(port.Addr()),
		http: &http.Server{
			Handler:           sb,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       time.Minute,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			// No WriteTimeout: a reply that takes for ever is one of the faults it plays.
		},
		grace: sandboxGrace,
		ended: make(chan struct{}),
	}
	bound := listener.Bound(port, callersAtOnce, s.http)
	go func() {
		defer close(s.ended)
		if err := s.http.Serve(bound); !errors.Is(err, http.ErrServerClosed) {
			s.err = fmt.Errorf("serve sandbox: %w", err)
		}
	}()
	return s, nil
}

// reachable is the address under which this machine reaches a listener.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return addr.String()
}

// environ points a bulkreg at the sandbox.
func (s *sandboxServer) environ() []string {
	return []string{
		"REGISTRAR_BASE_URL=" + s.url,
		"REGISTRAR_CLIENT_ID=" + sandbox.DefaultClientID,
		"REGISTRAR_CLIENT_SECRET=" + sandbox.DefaultClientSecret,
		"PMG_TOKEN_URL=" + s.url + sandbox.TokenPath,
		"PMG_ACCESS_TOKEN=" + sandbox.DefaultAccessToken,
	}
}

// close lets calls in flight end, cuts off those that take too long, and waits until it serves no more.
func (s *sandboxServer) close() error {
	ending, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	err := s.http.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	err = errors.Join(err, s.Sandbox.Close())
	<-s.ended
	return errors.Join(s.err, err)
}
