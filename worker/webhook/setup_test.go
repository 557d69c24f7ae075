package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func migrate(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

// desk is a database with endpoints, and a Deliverer at work.
type desk struct {
	t     *testing.T
	store *store.Store
	db    *pgxpool.Pool
	keys  seal.Keys
	log   *lockedBuffer
}

func setup(t *testing.T) *desk {
	t.Helper()
	url := pgtest.New(t, migrate)
	st, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, store: st, db: db, keys: keys, log: &lockedBuffer{}}
}

// loopback are the networks in which the receivers of tests are.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// deliver has a Deliverer work until the test ends, or stop is called.
func (d *desk) deliver(change ...func(*Options, *Deliverer)) (stop func()) {
	d.t.Helper()
	o := Options{
		Store: d.store.Webhooks, Seal: d.keys, Allowed: loopback(), Agent: "bulkreg/test", Jitter: func() float64 { return 0 }, Clock: time.Now,
		Log: zerolog.New(d.log), Troubled: func(err error) {
			if err != nil {
				d.log.Write([]byte("trouble: " + err.Error() + "\n"))
			}
		},
	}
	for _, c := range change {
		c(&o, nil)
	}
	deliverer := New(o)
	for _, c := range change {
		c(&o, deliverer)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); deliverer.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	d.t.Cleanup(stop)
	return stop
}

// endpoint adds one, and gives its id and secret.
func (d *desk) endpoint(url string, types ...string) (string, hook.Secret) {
	d.t.Helper()
	id, err := hook.NewID(rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	secret, err := hook.NewSecret(rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	sealed, err := d.keys.SealSecret(secret.Bytes(), seal.Endpoint{Source: "shop", ID: id})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.store.Webhooks.Add(d.t.Context(), webhooks.NewEndpoint{
		ID: id, Source: "shop", URL: url, Types: types, By: "ann", Sealed: sealed, PublicKey: secret.PublicKey(),
	}); err != nil {
		d.t.Fatal(err)
	}
	return id, secret
}

// happen makes an order that exists complete, and so an event.
func (d *desk) happen(reference string) {
	d.t.Helper()
	d.exec(`INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('shop', $1, 'whois', 'plain', 'default', 1) ON CONFLICT DO NOTHING`, reference)
	d.exec(`INSERT INTO events (type, at, source, order_id, account, data)
		SELECT 'order.completed', now(), 'shop', id, 'default', '{"outcomes": {"taken": 1}}' FROM orders WHERE reference = $1`, reference)
}

func (d *desk) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.db.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

// deliveries are an endpoint's, the oldest first.
func (d *desk) deliveries(endpoint string) []webhooks.Delivery {
	d.t.Helper()
	list, err := d.store.Webhooks.Deliveries(d.t.Context(), webhooks.DeliveryFilter{Endpoint: endpoint, Limit: 1000})
	if err != nil {
		d.t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// tried waits for an attempt of an endpoint's first delivery, and returns it.
func (d *desk) tried(endpoint string) webhooks.Delivery {
	d.t.Helper()
	var first webhooks.Delivery
	d.eventually(func() bool {
		all := d.deliveries(endpoint)
		if len(all) > 0 {
			first = all[0]
		}
		return first.Newest != nil
	})
	return first
}

func (d *desk) eventually(holds func() bool) {
	d.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(time.Minute); !holds(); {
		select {
		case <-timeout:
			d.t.Fatalf("not so within a minute; the log:\n%s", d.log.String())
		case <-tick.C:
		}
	}
}

// received is one request that a receiver got.
type received struct {
	header http.Header
	body   []byte
}

// receiver keeps what it is sent, and answers as it is told.
type receiver struct {
	*httptest.Server

	mu  sync.Mutex
	got []received
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.got = append(r.got, received{req.Header.Clone(), body})
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// trusting has a Deliverer trust the certificate of a test's server.
func trusting(server *httptest.Server) func(*Options, *Deliverer) {
	return func(_ *Options, d *Deliverer) {
		if d != nil {
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			d.sender.https.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		}
	}
}

// lockedBuffer is a log that several write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
