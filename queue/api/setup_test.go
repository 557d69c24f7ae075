package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/api"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func migrate(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

// door is an API on a database of its own.
type door struct {
	t     *testing.T
	store *store.Store
	keys  map[string]apikey.Key // by name
	url   string
	logs  *logs
	key   string // the name of the one that requests present; "" for none

	documented *documented
}

// logs are what was logged, for one goroutine at a time.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func setup(t *testing.T, change ...func(*api.Options)) *door {
	t.Helper()
	st, err := store.Open(t.Context(), pgtest.New(t, migrate), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	sealing, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	taker, err := intake.New(st.Orders, intake.Chunks{Whois: 10, Register: 10, Token: 5})
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, store: st, key: "operator", logs: &logs{}, keys: map[string]apikey.Key{}}
	for name, k := range map[string]keys.NewKey{
		"reader": {Role: "read"}, "submit": {Role: "submit"}, "operator": {Role: "operate"}, "other": {Source: "other", Role: "operate"},
		"slow":    {Role: "read", Limits: keys.Limits{RequestsPerMinute: 2}},
		"small":   {Role: "submit", Limits: keys.Limits{JobsPerOrder: 2}},
		"daily":   {Role: "submit", Limits: keys.Limits{JobsPerDay: 5, RegistrationsPerDay: 3}},
		"expired": {Role: "operate", Life: time.Microsecond},
	} {
		d.makeKey(name, k)
	}
	o := api.Options{Store: st, Intake: taker.SealingWith(sealing), Seal: sealing, Keys: api.KeysOf(st.Keys, time.Now), Version: "test", Log: zerolog.New(d.logs)}
	for _, c := range change {
		c(&o)
	}
	a, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a.Handler())
	running, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); a.Run(running) }()
	t.Cleanup(func() {
		stop()
		<-ended
		server.Close()
	})
	d.url = server.URL
	d.documented = &documented{handler: a.Handler()}
	return d
}

func (d *door) makeKey(name string, k keys.NewKey) {
	d.t.Helper()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	d.keys[name] = key
	k.ID, k.Digest, k.By = key.ID(), key.Digest(), "test"
	if k.Source == "" {
		k.Source = "shop"
	}
	if err := d.store.Keys.Create(d.t.Context(), k); err != nil {
		d.t.Fatal(err)
	}
}

// as is the same door with another key.
func (d *door) as(key string) *door {
	other := *d
	other.key = key
	return &other
}

// answer is an answer with its body.
type answer struct {
	*http.Response
	t    *testing.T
	body string
}

func (d *door) do(method, path, body string, headers ...string) answer {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if d.key != "" {
		request.Header.Set("Authorization", "Bearer "+d.keys[d.key].Reveal())
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	d.documented.check(d.t, method, path, response)
	return answer{response, d.t, string(text)}
}

func (d *door) get(path string) answer { d.t.Helper(); return d.do(http.MethodGet, path, "") }

func (d *door) post(path, body string, headers ...string) answer {
	d.t.Helper()
	return d.do(http.MethodPost, path, body, headers...)
}

// want checks the status.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s %s: %s, want %d: %s", a.Request.Method, a.Request.URL.Path, a.Status, status, a.body)
	}
	return a
}

// problem checks that an answer is a problem of a kind.
func (a answer) problem(name string) api.Problem {
	a.t.Helper()
	p := parsed[api.Problem](a)
	if p.Type != "/problems/"+name || p.Status != a.StatusCode || p.Title == "" || p.RequestID == "" || p.Instance != a.Request.URL.Path ||
		a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get("X-Request-Id") != p.RequestID {
		a.t.Fatalf("%s %s: want problem %s, got %s %s", a.Request.Method, a.Request.URL.Path, name, a.Status, a.body)
	}
	return p
}

// parsed is the body as JSON.
func parsed[T any](a answer) T {
	a.t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%s %s: %v: %s", a.Request.Method, a.Request.URL.Path, err, a.body)
	}
	return v
}

// anOrder is what tests read of an order.
type anOrder struct {
	Reference   string            `json:"reference"`
	Source      string            `json:"source"`
	Kind        string            `json:"kind"`
	Total       int               `json:"total"`
	Counts      map[string]int    `json:"counts"`
	Outcomes    map[string]int    `json:"outcomes"`
	Done        bool              `json:"done"`
	Labels      map[string]string `json:"labels"`
	Repeat      bool              `json:"repeat"`
	Skipped     int               `json:"skipped"`
	Errors      []api.Fault       `json:"errors"`
	SecondsLeft *int              `json:"seconds_left"`
	Needs       *struct {
		Jobs int    `json:"jobs"`
		Do   string `json:"do"`
	} `json:"needs_attention"`
	WaitsFor []struct {
		Reason string `json:"reason"`
		Words  string `json:"words"`
	} `json:"waits_for"`
}

// settle ends all jobs of the database, by a domain's first letter: z is refused, u is unconfirmed, all others are well.
func (d *door) settle() {
	d.t.Helper()
	_, err := d.store.Pool.Exec(d.t.Context(), `
		UPDATE jobs SET wake_at = NULL, claim_id = gen_random_uuid(),
			state = CASE left(domain, 1) WHEN 'z' THEN 'failed' WHEN 'u' THEN 'unconfirmed' ELSE 'succeeded' END,
			outcome = CASE left(domain, 1) WHEN 'z' THEN 'rejected' WHEN 'u' THEN NULL ELSE CASE kind WHEN 'register' THEN 'registered' ELSE 'available' END END,
			last_error = CASE left(domain, 1) WHEN 'z' THEN 'no such name' END,
			finished_at = CASE left(domain, 1) WHEN 'u' THEN NULL ELSE now() END
		WHERE finished_at IS NULL AND state <> 'unconfirmed'`)
	if err != nil {
		d.t.Fatal(err)
	}
}

// eventually waits for something that no signal tells of.
func (d *door) eventually(holds func() bool) {
	d.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(time.Minute); !holds(); {
		select {
		case <-timeout:
			d.t.Fatal("not so within a minute")
		case <-tick.C:
		}
	}
}
