package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/gettoken"
	"github.com/bulkreg/bulkreg/worker/sandbox"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// access is an access token that can be replaced.
type access struct {
	mu    sync.Mutex
	token string
}

func (a *access) AccessToken() (upstream.Secret, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == "" {
		return "", gettoken.ErrNoAccess
	}
	return upstream.Secret(a.token), nil
}

func (a *access) set(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = token
}

// tokenBench is a bench with a key, and an access token.
type tokenBench struct {
	*bench
	keys   seal.Keys
	access *access
}

func setupTokens(t *testing.T, o sandbox.Options) *tokenBench {
	t.Helper()
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return &tokenBench{bench: setup(t, o), keys: keys, access: &access{token: sandbox.DefaultAccessToken}}
}

// options are those of a worker that works on tokens, too.
func (b *tokenBench) options() worker.Options {
	b.t.Helper()
	client, err := gettoken.New(gettoken.Config{URL: b.server.URL + sandbox.TokenPath, Access: b.access, Timeout: 5 * time.Second})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(client.Close)
	o := b.bench.options()
	o.Accounts = append(o.Accounts, worker.Account{Name: queue.TokenAccount, Tokens: client})
	o.Kinds, o.Token, o.Seal = queue.Kinds(), worker.TokenTuning(4), b.keys
	return o
}

// people are lines of an order: addresses with a label in front.
func people(label string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%04d.vandenberg@example.nl", label, i)
	}
	return all
}

// submit takes in an order of tokens for these addresses.
func (b *tokenBench) submit(reference string, emails ...string) record.Order {
	b.t.Helper()
	var lines strings.Builder
	lines.WriteString("email,originator,languageCode,firstname,lastname,privacyConsent\n")
	for i, email := range emails {
		fmt.Fprintf(&lines, "%s,shop,nl,Marieke,Vandenberg,%t\n", email, i%2 == 0)
	}
	r, err := input.NewReader(strings.NewReader(lines.String()), input.Options{Kind: string(queue.Token)})
	if err != nil {
		b.t.Fatal(err)
	}
	spool, err := intake.ReadSpool(r, func(bad *input.RejectError) error { return bad })
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() {
		if err := spool.Close(); err != nil {
			b.t.Error(err)
		}
	}()
	in, err := intake.New(b.store.Orders, intake.Chunks{Whois: 100, Register: 50, Token: 50})
	if err != nil {
		b.t.Fatal(err)
	}
	order := intake.Order{Source: "test", Reference: reference, Kind: queue.Token, Account: queue.TokenAccount}
	res, err := in.SealingWith(b.keys).Submit(b.t.Context(), order, spool)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.Order
}

// wantTokens checks that each job ended so, and that the tokens of those that were issued are the sandbox's newest.
func (b *tokenBench) wantTokens(o record.Order, want map[string]record.Outcome) {
	b.t.Helper()
	live, err := b.store.Tokens.Live(b.t.Context(), o.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	newest := map[string]sandbox.TokenIssued{}
	for _, issued := range b.sandbox.Ledger().Issued {
		newest[issued.Email] = issued
	}
	jobs := b.jobs(o)
	for email, outcome := range want {
		j := jobs[queue.Subject(email)]
		if j.Outcome != outcome {
			b.t.Errorf("%s: state %s, outcome %q, error %q; want outcome %q", email, j.State, j.Outcome, j.LastError, outcome)
		}
		kept, there := live[j.ID]
		if there != (outcome == record.Issued) {
			b.t.Errorf("%s is %s, and has a token: %t", email, outcome, there)
		}
		if !there {
			continue
		}
		got, err := b.keys.OpenToken(kept.Sealed, seal.Job{Source: o.Source, Reference: o.Reference, ID: j.ID})
		if is := newest[email]; err != nil || got != (seal.Token{Token: is.Token, RedirectURL: is.RedirectURL, AccountURL: is.AccountURL}) {
			b.t.Errorf("%s has another token than its newest: %v", email, err)
		}
	}
	if len(jobs) != len(want) {
		b.t.Errorf("%d jobs, want %d", len(jobs), len(want))
	}
}

func all(emails []string, outcome record.Outcome) map[string]record.Outcome {
	want := map[string]record.Outcome{}
	for _, email := range emails {
		want[email] = outcome
	}
	return want
}

func TestTokensAreIssued(t *testing.T) {
	t.Parallel()
	b := setupTokens(t, sandbox.Options{Latency: sandbox.Latency{Token: 5 * time.Millisecond}})
	emails := people("jan", 120)
	order := b.submit("r", emails...)
	again := b.submit("r", emails...)
	if again.ID != order.ID {
		t.Error("the same order is another one")
	}
	b.work(b.options())
	b.settled(order)
	b.wantTokens(order, all(emails, record.Issued))
	ledger := b.sandbox.Ledger()
	if len(ledger.Issued) != len(emails) || ledger.Counts[sandbox.OpWhois] != 0 || ledger.Counts[sandbox.OpRegister] != 0 {
		t.Errorf("%d tokens, calls %v", len(ledger.Issued), ledger.Counts)
	}
	for _, issued := range ledger.Issued {
		if want := slices.Index(emails, issued.Email)%2 == 0; issued.PrivacyConsent != want {
			t.Errorf("%s: consent %t, want %t", issued.Email, issued.PrivacyConsent, want)
		}
	}
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM claims WHERE closed_at IS NULL`) == 0 })
	if n := b.sql(`SELECT count(*) FROM calls WHERE op = 'token' AND size = 1 AND status = 200 AND finished_at IS NOT NULL`); n != len(emails) {
		t.Errorf("%d calls are on record", n)
	}
	b.invariants()
}

func TestTokensEndAsTheUpstreamSays(t *testing.T) {
	t.Parallel()
	b := setupTokens(t, sandbox.Options{})
	want := map[string]record.Outcome{"flaky-1@example.nl": record.Issued, "refused-1@example.nl": record.Exhausted, "jan@example.nl": record.Issued}
	for _, label := range []string{"bademail", "badextension", "badlanguage", "badportal"} {
		want[label+"-1@example.nl"] = record.Rejected
	}
	emails := make([]string, 0, len(want))
	for email := range want {
		emails = append(emails, email)
	}
	o := b.options()
	o.MaxAttempts = 3
	b.work(o)
	order := b.submit("r", emails...)
	b.settled(order)
	b.wantTokens(order, want)
	refused := b.jobs(order)[queue.Subject("refused-1@example.nl")]
	if refused.Attempts != 3 || !strings.Contains(refused.LastError, "registration failure") {
		t.Errorf("%d attempts, %s", refused.Attempts, refused.LastError)
	}
	b.invariants()
}

// Each of these says nothing of the job: it goes again, and ends well.
func TestTokensSurviveFaults(t *testing.T) {
	t.Parallel()
	b := setupTokens(t, sandbox.Options{})
	for _, f := range []sandbox.Fault{
		{Kind: sandbox.KindCut}, {Kind: sandbox.KindReset, Effect: sandbox.EffectAll}, {Kind: sandbox.KindHTML}, {Kind: sandbox.KindTruncate},
		{Kind: sandbox.KindOddCode, Code: "500"}, {Kind: sandbox.KindStatus, Status: 429, RetryAfter: time.Second}, {Kind: sandbox.KindStatus, Status: 503, Bare: true},
		{Kind: sandbox.KindQuote, Status: 500}, {Kind: sandbox.KindGzip}, {Kind: sandbox.KindAccepted},
	} {
		f.Op, f.Skip = sandbox.OpToken, 1
		if _, err := b.sandbox.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	b.work(b.options())
	emails := people("jan", 40)
	order := b.submit("r", emails...)
	b.settled(order)
	b.wantTokens(order, all(emails, record.Issued))
	b.invariants()
}

// A refused access token holds the account, and no other. A new one lifts the hold.
func TestARefusedAccessTokenHoldsTokensAlone(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{"refused": "an-old-one", "missing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupTokens(t, sandbox.Options{})
			b.access.set(bad)
			b.work(b.options())
			emails := people("jan", 60)
			order, checks := b.submit("r", emails...), b.bench.submit(queue.Whois, "w", names("a", 20))
			b.settled(checks)
			b.eventually(func() bool { return b.sql(`SELECT count(*) FROM jobs WHERE state = 'held'`) == len(emails) })
			if n := b.sql(`SELECT count(*) FROM holds WHERE account = 'pmg' AND reason = 'auth'`); n != 1 || b.sql(`SELECT count(*) FROM holds`) != 1 {
				t.Errorf("%d holds on tokens", n)
			}
			b.access.set(sandbox.DefaultAccessToken)
			b.settled(order)
			b.wantTokens(order, all(emails, record.Issued))
			if n := b.sql(`SELECT count(*) FROM jobs WHERE attempts > 1`); n != 0 {
				t.Errorf("the hold has cost %d jobs an attempt", n)
			}
		})
	}
}

// An upstream that is away holds the account, and gives attempts back; what it says of one person is none of that.
func TestTokensWaitForAnUpstreamThatIsAway(t *testing.T) {
	t.Parallel()
	b := setupTokens(t, sandbox.Options{})
	down, err := b.sandbox.Inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindStatus, Status: 502, Bare: true, Count: sandbox.Always})
	if err != nil {
		t.Fatal(err)
	}
	b.work(b.options())
	emails := people("jan", 30)
	order := b.submit("r", emails...)
	b.eventually(func() bool {
		return b.sql(`SELECT count(*) FROM holds WHERE account = 'pmg' AND reason = 'outage'`) == 1
	})
	down.Remove()
	b.settled(order)
	b.wantTokens(order, all(emails, record.Issued))
}

func TestProducersAskForTokens(t *testing.T) {
	t.Parallel()
	b := setupTokens(t, sandbox.Options{})
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := producer.Close(); err != nil {
			t.Error(err)
		}
	})
	yes, no := true, false
	chunk := queue.Chunk{Source: "shop", Order: "r", Account: "default", Jobs: []queue.Job{
		{Email: "jan@example.nl", Originator: "shop", LanguageCode: "nl", PrivacyConsent: &yes},
		{Email: "JAN@example.nl", Originator: "shop", PrivacyConsent: &yes}, // the same person
		{Email: "an@example.nl", Originator: "shop", PrivacyConsent: &no},
		{Email: "ben@example.nl", PrivacyConsent: &yes},
		{Email: "cas@example.nl", Originator: "shop"},
	}}
	elsewhere := queue.Chunk{Source: "shop", Order: "elsewhere", Account: "partner", Jobs: chunk.Jobs[:1]}
	for _, c := range []queue.Chunk{chunk, chunk, elsewhere} {
		if err := producer.Enqueue(t.Context(), queue.Token, queue.Plain, c); err != nil {
			t.Fatal(err)
		}
	}
	b.work(b.options())
	var order, other record.Order
	b.eventually(func() bool {
		var first, second error
		order, first = b.store.Orders.Find(t.Context(), "shop", "r")
		other, second = b.store.Orders.Find(t.Context(), "shop", "elsewhere")
		return first == nil && second == nil
	})
	b.settled(order, other)
	b.wantTokens(order, map[string]record.Outcome{
		"jan@example.nl": record.Issued, "an@example.nl": record.Issued, "ben@example.nl": record.Rejected, "cas@example.nl": record.Rejected,
	})
	if order.Account != queue.TokenAccount || len(b.sandbox.Ledger().Issued) != 2 {
		t.Errorf("account %s, %d tokens", order.Account, len(b.sandbox.Ledger().Issued))
	}
	if j := b.jobs(order)[queue.Subject("ben@example.nl")]; !strings.Contains(j.LastError, "originator is missing") {
		t.Errorf("it says %s", j.LastError)
	}
	b.wantTokens(other, map[string]record.Outcome{"jan@example.nl": record.Rejected})
}

// A token that nobody fetched is gone within a minute of its end, whoever is there to erase it.
func TestExpiredTokensAreErased(t *testing.T) {
	t.Parallel()
	b := setupTokens(t, sandbox.Options{})
	stop := b.work(b.options())
	order := b.submit("r", "jan@example.nl")
	b.settled(order)
	stop()
	b.sql(`WITH x AS (UPDATE tokens SET sent_at = sent_at - interval '11 minutes', expires_at = expires_at - interval '11 minutes' RETURNING 1) SELECT count(*) FROM x`)
	o := b.bench.options() // it works on no tokens
	b.work(o)
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM tokens`) == 0 })
	b.wantTokens(order, map[string]record.Outcome{"jan@example.nl": record.TokenExpired})
}

// What Postgres, Redis and the logs hold after a run with faults, and while jobs wait, shows no token, no URL and nobody.
func TestNothingShowsATokenOrAPerson(t *testing.T) {
	t.Parallel()
	b := setupTokens(t, sandbox.Options{})
	for _, f := range []sandbox.Fault{
		{Kind: sandbox.KindQuote, Status: 500, Count: 12, Skip: 6}, {Kind: sandbox.KindQuote, Status: 400, Count: 3, Skip: 20}, {Kind: sandbox.KindTruncate, Count: 5},
		{Kind: sandbox.KindHalfJSON, Count: 5}, {Kind: sandbox.KindOddCode, Code: "500", Count: 5}, {Kind: sandbox.KindContentType},
	} {
		f.Op = sandbox.OpToken
		if _, err := b.sandbox.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	var logged lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&logged)
	held := b.sandbox.Hold(sandbox.OpToken, sandbox.BeforeReply)
	stop := b.work(o)
	emails := people("hendrik", 60)
	order := b.submit("r", emails...)
	<-held.Held() // deliveries lie in Redis, and jobs are claimed
	dumps := map[string][]byte{"Redis while jobs wait": b.dumpRedis()}
	held.Release()
	b.settled(order)
	stop()
	dumps["Postgres"], dumps["Redis"], dumps["the log"] = []byte(b.dumpDatabase()), b.dumpRedis(), []byte(logged.String())
	for name, dump := range dumps {
		if len(dump) == 0 {
			t.Errorf("%s holds nothing at all", name)
		}
		for _, secret := range append([]string{"hendrik", "Vandenberg", "vandenberg", "Marieke", "@example.nl", "url.be", "napi.pmg", sandbox.DefaultAccessToken}, b.secrets()...) {
			if i := bytes.Index(dump, []byte(secret)); i >= 0 {
				t.Errorf("%s shows %q: …%q…", name, secret, dump[max(0, i-200):min(len(dump), i+100)])
			}
		}
	}
	if n := len(b.sandbox.Ledger().Issued); n < 30 {
		t.Errorf("only %d tokens were issued", n)
	}
}

// secrets are the tokens that the sandbox issued, and the keys in their URLs.
func (b *tokenBench) secrets() []string {
	var all []string
	for _, issued := range b.sandbox.Ledger().Issued {
		all = append(all, issued.Token, strings.ReplaceAll(issued.Token, "-", ""), issued.AccountURL[strings.LastIndexByte(issued.AccountURL, '.')-40:][:30])
	}
	return all
}

// dumpRedis is every key with its value, as it lies there.
func (b *tokenBench) dumpRedis() []byte {
	b.t.Helper()
	options, err := redis.ParseURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	keys, err := client.Keys(b.t.Context(), "*").Result()
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	for _, key := range keys {
		fmt.Fprintln(&out, key)
		if value, err := dumpKey(b.t.Context(), client, key); err == nil {
			out.Write(value)
		} else if err != redis.Nil {
			b.t.Fatal(err)
		}
	}
	return out.Bytes()
}

func dumpKey(ctx context.Context, client *redis.Client, key string) ([]byte, error) {
	kind, err := client.Type(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	var value any
	switch kind {
	case "hash":
		value, err = client.HGetAll(ctx, key).Result()
	case "list":
		value, err = client.LRange(ctx, key, 0, -1).Result()
	case "zset":
		value, err = client.ZRange(ctx, key, 0, -1).Result()
	case "set":
		value, err = client.SMembers(ctx, key).Result()
	case "string":
		value, err = client.Get(ctx, key).Result()
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}
