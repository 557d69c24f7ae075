package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// What a sandbox knows when its Options name nothing else.
const (
	DefaultClientID     = "demo"
	DefaultClientSecret = "demo-secret"
	DefaultAccessToken  = "demo-access-token"
	DefaultHolder       = "demo-holder" // id of a DomainHolder that every account may use

	defaultTokenTTL = time.Hour
	defaultLagTime  = 5 * time.Second
)

// Unlimited as an account's balance means that it can always pay.
const Unlimited = -1

// Account is one set of registrar credentials. Its zero value cannot pay for anything.
type Account struct {
	Secret      string
	Balance     int  // registrations it can still pay for; negative is Unlimited
	DirectDebit bool // activated; without it every registration is answered 402
}

// Latency is how long each operation takes before it has its effect. It passes although the client gives up.
type Latency struct {
	Authenticate, Whois, Register, Holder, Token time.Duration
}

func (l Latency) of(op Op) time.Duration {
	switch op {
	case OpAuthenticate:
		return l.Authenticate
	case OpWhois:
		return l.Whois
	case OpRegister:
		return l.Register
	case OpHolder:
		return l.Holder
	case OpToken:
		return l.Token
	}
	return 0
}

// Options are all optional.
type Options struct {
	Clock    func() time.Time // time.Now; JWTs expire and WHOIS lags by it, latencies and delays use timers
	TokenTTL time.Duration    // life of a JWT, one second or more; an hour

	Accounts    map[string]Account // by client id; one account, DefaultClientID, that can always pay
	AccessToken string             // the bearer token of GetToken; DefaultAccessToken
	Holders     []Holder           // with ids, usable by every account; one, DefaultHolder
	AnyHolder   bool               // registrations may name a holder that does not exist
	Taken       []string           // domains that somebody else holds

	NoLabels bool          // scripted labels are ordinary names
	LagTime  time.Duration // how long WHOIS lags for lag-* domains; 5 s

	Latency        Latency
	MaxBatch       int    // most domains in one call; 0 is no limit
	MaxBatchStatus int    // 400 or 422, for a call over MaxBatch; 422
	Seed           uint64 // of the order of results; 0 is a random seed

	PartialOn402 bool // a short balance pays for what it can, and then the call is answered 402
	ChargeTwice  bool // a domain that is already ours is registered, and paid for, once more

	// LedgerPath is the file of the ledger, read at start and appended to, for one sandbox at a time. Domains
	// given to Take and the failures that flaky ones have had are not in it. Without a path there is no file.
	LedgerPath   string
	LedgerCounts bool // of WHOIS calls keep only counts, in memory and in the file

	// OnRequest is called for every request when it is received: on record, but not yet acted on. It is called
	// from many goroutines, and the request waits for it.
	OnRequest func(Request)
}

// Sandbox is an http.Handler that serves both upstreams on the contract's paths, and its own control endpoints
// under /sandbox/. Close it after the server that serves it is told to stop.
type Sandbox struct {
	opts   Options
	mux    *http.ServeMux
	jwt    *issuer
	books  *books
	faults *faults
	gates  *gates

	background background // what accepted requests still do
	closing    sync.Once
	done       chan struct{} // closed by Close; ends gates, delays and black holes
}

// New makes a sandbox. It fails if an option makes no sense or the ledger file cannot be read.
func New(opts Options) (*Sandbox, error) {
	opts, err := withDefaults(opts)
	if err != nil {
		return nil, fmt.Errorf("check sandbox options: %w", err)
	}
	b, err := openBooks(opts)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	s := &Sandbox{
		opts: opts, jwt: newIssuer(opts.TokenTTL, opts.Clock), books: b, done: done,
		faults: &faults{}, gates: &gates{done: done},
	}
	s.mux = s.routes()
	return s, nil
}

func withDefaults(o Options) (Options, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.TokenTTL == 0 {
		o.TokenTTL = defaultTokenTTL
	}
	if o.LagTime == 0 {
		o.LagTime = defaultLagTime
	}
	if o.AccessToken == "" {
		o.AccessToken = DefaultAccessToken
	}
	if o.MaxBatchStatus == 0 {
		o.MaxBatchStatus = http.StatusUnprocessableEntity
	}
	if len(o.Accounts) == 0 {
		o.Accounts = map[string]Account{
			DefaultClientID: {Secret: DefaultClientSecret, Balance: Unlimited, DirectDebit: true},
		}
	}
	if len(o.Holders) == 0 {
		o.Holders = []Holder{{
			ID: DefaultHolder, Company: "Demo Hosting", Email: "demo@example.nl", Country: "NL",
		}}
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	return o, o.validate()
}

func (o Options) validate() error {
	var errs []error
	if o.TokenTTL < time.Second {
		errs = append(errs, fmt.Errorf("TokenTTL is %s; a JWT counts in seconds, so give one second or more", o.TokenTTL))
	}
	if o.MaxBatch < 0 {
		errs = append(errs, fmt.Errorf("MaxBatch is %d; give 0 for no limit", o.MaxBatch))
	}
	if o.MaxBatchStatus != http.StatusBadRequest && o.MaxBatchStatus != http.StatusUnprocessableEntity {
		errs = append(errs, fmt.Errorf("MaxBatchStatus is %d; give 400 or 422", o.MaxBatchStatus))
	}
	for id, a := range o.Accounts {
		if id == "" || a.Secret == "" {
			errs = append(errs, fmt.Errorf("account %q has no client id or no secret", id))
		}
	}
	for i, h := range o.Holders {
		if h.ID == "" {
			errs = append(errs, fmt.Errorf("holder %d has no id", i))
		}
	}
	for _, d := range o.Taken {
		if _, ok := canonical(d); !ok {
			errs = append(errs, fmt.Errorf("taken domain %q is not a domain name", d))
		}
	}
	return errors.Join(errs...)
}

// Close ends what waits in gates, delays and black holes, drops what was only promised, and closes the ledger file. It reports the first
// failure to write that file, if there was one. Closing twice does nothing.
func (s *Sandbox) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.done)
		s.background.wait()
		err = s.books.close()
	})
	return err
}

// Ledger is a copy of everything received and paid so far.
func (s *Sandbox) Ledger() *Ledger { return s.books.snapshot() }

// SetBalance says how many registrations an account can still pay for; negative is Unlimited.
func (s *Sandbox) SetBalance(account string, n int) error { return s.books.setBalance(account, n) }

// Balance is the number of registrations an account can still pay for; negative is Unlimited.
func (s *Sandbox) Balance(account string) (int, error) { return s.books.balance(account) }

// SetDirectDebit activates or deactivates an account's direct debit.
func (s *Sandbox) SetDirectDebit(account string, on bool) error {
	return s.books.setDirectDebit(account, on)
}

// Take makes domains taken by somebody else, as if they were registered elsewhere in this moment.
func (s *Sandbox) Take(domains ...string) { s.books.take(domains) }
