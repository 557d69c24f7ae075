package webhook

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// The specification's own library takes what is sent, with each of two secrets while one replaces the other; v1a signatures are
// those of the public key.
func TestDeliveriesAreSigned(t *testing.T) {
	t.Parallel()
	d := setup(t)
	r := receive(t, nil)
	id, first := d.endpoint(r.URL + "/hooks?key=s3cret")
	_, second := d.endpoint(r.URL + "/other")
	sealed, err := d.keys.SealSecret(second.Bytes(), seal.Endpoint{Source: "shop", ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.store.Webhooks.Rotate(t.Context(), id, sealed, second.PublicKey(), time.Hour); err != nil {
		t.Fatal(err)
	}
	d.exec(`DELETE FROM webhook_endpoints WHERE id <> $1`, id)
	d.deliver()
	d.happen("march")
	d.eventually(func() bool { all := d.deliveries(id); return len(all) == 1 && all[0].State == webhooks.Delivered })
	got := r.all()[0]
	for i, secret := range []string{first.Reveal(), second.Reveal()} {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(got.body, got.header); err != nil {
			t.Errorf("secret %d: %v", i, err)
		}
	}
	verifier, err := standardwebhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if verifier.Verify(got.body, got.header) == nil {
		t.Error("another secret fits")
	}
	signed := []byte(got.header.Get("Webhook-Id") + "." + got.header.Get("Webhook-Timestamp") + "." + string(got.body))
	good := 0
	for part := range strings.FieldsSeq(got.header.Get("Webhook-Signature")) {
		if text, asymmetric := strings.CutPrefix(part, "v1a,"); asymmetric {
			signature, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range [][]byte{first.PublicKey(), second.PublicKey()} {
				if ed25519.Verify(key, signed, signature) {
					good++
				}
			}
		}
	}
	if good != 2 {
		t.Errorf("%d of 2 v1a signatures are good", good)
	}
	var body map[string]any
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	delete(body, "timestamp")
	want := map[string]any{"type": "order.completed", "data": map[string]any{
		"event_id": "1", "account": "default", "reference": "march", "outcomes": map[string]any{"taken": 1.0},
	}}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if strings.Contains(d.log.String(), "s3cret") {
		t.Errorf("the log has the URL: %s", d.log.String())
	}
}

// Receivers that lie, redirect, hang or want nothing any more.
func TestReceivers(t *testing.T) {
	t.Parallel()
	elsewhere := receive(t, nil)
	for _, c := range []struct {
		name     string
		answer   http.HandlerFunc
		failure  string
		begins   string
		disabled webhooks.Disabled
		rests    time.Duration // at least
	}{
		{"accepts", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }, "", "", "", 0},
		{"redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
			"it redirects, which is not followed: give the URL that it leads to", "", "", 0},
		{"refuses", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no\x00 \xff", http.StatusBadRequest) },
			"it answers 400", "no \uFFFD\n", "", 0},
		{"wants nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, "it answers 410", "", webhooks.Gone, 0},
		{"asks for patience", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "it answers 429", "", "", 119 * time.Minute},
		{"is broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "it answers 502", "", "", time.Second},
		{"talks without end", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for range 1000 {
				_, _ = w.Write([]byte(strings.Repeat("x", 64<<10))) // until the sender hangs up
			}
		}, "it answers 500", strings.Repeat("x", webhooks.MaxAnswer), "", time.Second},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection broke off, or there was none", "", "", time.Second},
		{"has a status of its own", func(w http.ResponseWriter, _ *http.Request) {
			conn, out, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return // nothing is delivered, and the test says so
			}
			_, _ = out.WriteString("HTTP/1.1 001 Fine\r\nContent-Length: 0\r\n\r\n")
			_ = out.Flush()
			_ = conn.Close()
		}, "it answers with no status of HTTP", "", "", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := setup(t)
			r := receive(t, c.answer)
			id, _ := d.endpoint(r.URL)
			d.deliver()
			d.happen("march")
			got := d.tried(id)
			if got.Newest.Error != c.failure {
				t.Errorf("failure %q, want %q", got.Newest.Error, c.failure)
			}
			if c.begins != "" && got.Newest.Answer != c.begins {
				t.Errorf("answer %q, want %q", got.Newest.Answer, c.begins)
			}
			e, err := d.store.Webhooks.Find(t.Context(), "shop", id)
			if err != nil {
				t.Fatal(err)
			}
			if e.DisabledFor != c.disabled || e.FailingSince.IsZero() != (c.failure == "") {
				t.Errorf("endpoint %+v", e)
			}
			if c.rests > 0 && time.Until(e.RestsUntil) < c.rests {
				t.Errorf("rests until %s", e.RestsUntil)
			}
			if c.rests == 0 && !e.RestsUntil.IsZero() {
				t.Errorf("rests until %s for one event", e.RestsUntil)
			}
		})
	}
	if n := len(elsewhere.all()); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestTLSOfReceivers(t *testing.T) {
	t.Parallel()
	d := setup(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(secure.Close)
	unknown := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	unknown.TLS.Certificates[0] = secure.TLS.Certificates[0]
	t.Cleanup(unknown.Close)
	plain := receive(t, nil)
	good, _ := d.endpoint(secure.URL)
	wrong, _ := d.endpoint(strings.Replace(plain.URL, "http://", "https://", 1))
	d.deliver(trusting(secure))
	d.happen("march")
	if got := d.tried(good); got.State != webhooks.Delivered {
		t.Errorf("%+v", got.Newest)
	}
	if got := d.tried(wrong); got.Newest.Error != "it does not speak TLS" {
		t.Errorf("%+v", got.Newest)
	}
	other := setup(t)
	doubted, _ := other.endpoint(unknown.URL)
	other.deliver()
	other.happen("march")
	if got := other.tried(doubted); got.Newest.Error != "its certificate is not good: nobody known here has signed it" {
		t.Errorf("%+v", got.Newest)
	}
}

// A source has its share of a worker and no more, also where it removes endpoints that do not answer and adds others.
func TestRemovedEndpointsKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	d := setup(t)
	held, release := make(chan struct{}, 2*inFlight), make(chan struct{})
	r := receive(t, func(http.ResponseWriter, *http.Request) { held <- struct{}{}; <-release })
	t.Cleanup(func() { close(release) })
	add := func(letter string) (ids []string) {
		for i := range 4 {
			id, _ := d.endpoint(fmt.Sprintf("%s/%s%d", r.URL, letter, i))
			ids = append(ids, id)
		}
		return ids
	}
	first := add("a")
	d.deliver()
	for i := range 8 {
		d.happen(fmt.Sprint("one", i))
	}
	for range webhooks.MaxUnderWay {
		<-held
	}
	for _, id := range first {
		if err := d.store.Webhooks.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	last := add("b")[3]
	for i := range 8 {
		d.happen(fmt.Sprint("two", i))
	}
	d.eventually(func() bool { return len(d.deliveries(last)) == 8 })
	select {
	case <-held:
		t.Error("a source that has its share under way got more")
	case <-time.After(50 * time.Millisecond):
	}
}

// What a receiver writes into its certificate reaches neither the log nor the table, which could not even keep some of it.
func TestWordsOfCertificates(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"made\x00up\n.nl"}}
	text, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewUnstartedServer(http.NotFoundHandler())
	r.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{text}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	d := setup(t)
	id, _ := d.endpoint(strings.Replace(r.URL, "127.0.0.1", "shop.example", 1))
	resolver := nameServer(t, func() netip.Addr { return netip.MustParseAddr("127.0.0.1") })
	d.deliver(func(o *Options, _ *Deliverer) { o.Resolver = resolver })
	d.happen("march")
	if got := d.tried(id); got.Newest.Error != "its certificate is not good: it is for other names" {
		t.Errorf("%+v", got.Newest)
	}
	if strings.Contains(d.log.String(), "made") {
		t.Errorf("the log: %s", d.log.String())
	}
}

// One order's events come one after the other, also when some are refused at first.
func TestOrderOfDeliveries(t *testing.T) {
	t.Parallel()
	d := setup(t)
	refusals := map[string]bool{}
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if id := req.Header.Get("Webhook-Id"); len(refusals) < 5 && !refusals[id] {
			refusals[id] = true
			w.WriteHeader(http.StatusConflict)
			return
		}
		var body struct {
			Data struct {
				Reference string `json:"reference"`
				EventID   string `json:"event_id"`
			} `json:"data"`
		}
		if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.got = append(r.got, received{body: fmt.Appendf(nil, "%s %05s", body.Data.Reference, body.Data.EventID)})
	}))
	t.Cleanup(r.Close)
	id, _ := d.endpoint(r.URL)
	d.deliver()
	const each = 15
	for range each {
		for _, reference := range []string{"march", "april"} {
			d.happen(reference)
		}
	}
	d.eventually(func() bool {
		d.exec(`UPDATE webhook_deliveries SET due_at = now() WHERE due_at > now() AND sender IS NULL`) // what was refused waits no longer
		return len(r.all()) == 2*each
	})
	for _, reference := range []string{"march", "april"} {
		var of []string
		for _, got := range r.all() {
			if strings.HasPrefix(string(got.body), reference) {
				of = append(of, string(got.body))
			}
		}
		if len(of) != each || !slices.IsSorted(of) {
			t.Errorf("events of %s came as %q", reference, of)
		}
	}
	if all := d.deliveries(id); len(all) != 2*each {
		t.Errorf("%d deliveries", len(all))
	}
}

// A receiver that hangs when the worker stops is not waited for, and gets its event again.
func TestStopWhileAReceiverHangs(t *testing.T) {
	t.Parallel()
	d := setup(t)
	came := make(chan struct{}, 10)
	r := receive(t, func(_ http.ResponseWriter, req *http.Request) {
		came <- struct{}{}
		<-req.Context().Done()
	})
	id, _ := d.endpoint(r.URL)
	stop := d.deliver()
	d.happen("march")
	<-came
	began := time.Now()
	stop()
	if took := time.Since(began); took > timeout/2 {
		t.Errorf("stopping took %s", took)
	}
	if got := d.deliveries(id)[0]; got.State != webhooks.Waiting || got.UnderWay || got.Newest != nil || got.Attempts != 0 {
		t.Errorf("after the stop: %+v", got)
	}
	d.deliver()
	<-came
	if all := r.all(); all[0].header.Get("Webhook-Id") != all[1].header.Get("Webhook-Id") {
		t.Error("the event comes again under another id")
	}
}

// Whoever cannot open secrets sends nothing and uses no attempts up; whoever has no key leaves all of it to others.
func TestWrongKeys(t *testing.T) {
	t.Parallel()
	d := setup(t)
	r := receive(t, nil)
	id, _ := d.endpoint(r.URL)
	other, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	stop := d.deliver(func(o *Options, _ *Deliverer) { o.Seal = other })
	d.deliver(func(o *Options, _ *Deliverer) { o.Seal = seal.Keys{} })
	d.happen("march")
	d.eventually(func() bool { return strings.Contains(d.log.String(), "trouble: open secret of webhook "+id) })
	stop()
	if got := d.deliveries(id)[0]; got.Attempts != 0 || got.Newest != nil || len(r.all()) != 0 {
		t.Errorf("%+v", got)
	}
	d.deliver()
	d.eventually(func() bool { return len(r.all()) == 1 })
}

func TestTestMessages(t *testing.T) {
	t.Parallel()
	d := setup(t)
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	id, _ := d.endpoint(r.URL)
	d.deliver()
	n, err := d.store.Webhooks.Test(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	d.eventually(func() bool {
		got, err := d.store.Webhooks.Delivery(t.Context(), id, n)
		return err == nil && got.State == webhooks.Failed
	})
	if got := r.all(); len(got) != 1 || !strings.Contains(string(got[0].body), `"type":"webhook.test"`) {
		t.Errorf("got %q", got)
	}
	if e, err := d.store.Webhooks.Find(t.Context(), "", id); err != nil || !e.FailingSince.IsZero() {
		t.Errorf("a test tells against the endpoint: %+v, %v", e, err)
	}
}

func TestRemovedWhileUnderWay(t *testing.T) {
	t.Parallel()
	d := setup(t)
	came, goOn := make(chan struct{}), make(chan struct{})
	r := receive(t, func(http.ResponseWriter, *http.Request) { close(came); <-goOn })
	id, _ := d.endpoint(r.URL)
	stop := d.deliver()
	d.happen("march")
	<-came
	if err := d.store.Webhooks.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	stop()
	if log := d.log.String(); log != "" {
		t.Errorf("the log has %s", log)
	}
	if _, err := d.store.Webhooks.Find(t.Context(), "", id); !strings.Contains(fmt.Sprint(err), pg.ErrNotFound.Error()) {
		t.Errorf("%v", err)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	var all time.Duration
	for attempt := 1; ; attempt++ {
		wait := retryAfter(attempt, 0, 0)
		if wait == 0 {
			break
		}
		if most := retryAfter(attempt, 0.999, 0); most < wait || most > wait+wait/10 {
			t.Errorf("attempt %d: from %s to %s", attempt, wait, most)
		}
		all += wait
	}
	if all < 75*time.Hour {
		t.Errorf("retried for %s", all)
	}
	if got := retryAfter(1, 0, time.Hour); got != time.Hour {
		t.Errorf("Retry-After of an hour waits %s", got)
	}
	if retryAfter(0, 0, 0) != 0 || retryAfter(100, 0, time.Hour) != 0 {
		t.Error("an attempt that there is not is retried")
	}
}

func TestMessageOfUnreadableEvent(t *testing.T) {
	t.Parallel()
	if _, err := messageOf(webhooks.Due{EventID: 7, Data: []byte("{")}, time.Now()); err == nil || !strings.Contains(err.Error(), "event 7") {
		t.Errorf("%v", err)
	}
}
