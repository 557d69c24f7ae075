package torture

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// webhookFaults hit what tells order systems of events. Whatever happens, a receiver that is well gets each event, and those of an
// order one after the other.
func webhookFaults() []scenario {
	return []scenario{
		{name: "webhooks: worker killed while a receiver takes its time, and others misbehave", quick: true, run: webhooksCrash, want: expectation{redelivered: true}},
		{name: "webhooks: COMMIT's reply lost at settle, and Postgres away", run: webhooksWithoutPostgres},
	}
}

// receiver is an order system that is told of events, and what it was told.
type receiver struct {
	server *httptest.Server
	secret string
	firsts chan struct{} // closed when the first message is there, which is never answered

	mu      sync.Mutex
	told    map[string]int      // messages by webhook-id
	orders  map[string][]int64  // events by the order or account that they are about, as they came first
	types   map[string][]string // types of events by the same
	refused int                 // messages with a signature that is not good
	paths   map[string]int      // requests by where they were sent
}

func (w *world) receiver(hangFirst bool) *receiver {
	w.t.Helper()
	r := &receiver{told: map[string]int{}, orders: map[string][]int64{}, types: map[string][]string{}, paths: map[string]int{}}
	if hangFirst {
		r.firsts = make(chan struct{})
	}
	r.server = httptest.NewServer(r)
	w.t.Cleanup(func() {
		r.server.CloseClientConnections()
		r.server.Close()
	})
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.paths[req.URL.Path]++
	first := r.firsts != nil && req.URL.Path == "/well" && r.paths["/well"] == 1
	r.mu.Unlock()
	// The body is read before anything else: only then it is noticed that the sender has gone.
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	switch {
	case req.URL.Path == "/redirects":
		http.Redirect(w, req, "/inside", http.StatusTemporaryRedirect)
	case req.URL.Path == "/gone":
		w.WriteHeader(http.StatusGone)
	case req.URL.Path == "/hangs":
		<-req.Context().Done()
	case req.URL.Path == "/lies": // it breaks off what it has promised
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusInternalServerError)
	case first:
		close(r.firsts)
		<-req.Context().Done()
	default:
		r.take(w, req, body)
	}
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request, body []byte) {
	var message struct {
		Type string
		Data struct {
			EventID   string `json:"event_id"`
			Reference string
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	verifier, bad := standardwebhooks.NewWebhook(r.secret)
	if bad != nil || verifier.Verify(body, req.Header) != nil || json.Unmarshal(body, &message) != nil {
		r.refused++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	id := req.Header.Get("webhook-id")
	if r.told[id]++; r.told[id] > 1 {
		return
	}
	event, err := strconv.ParseInt(message.Data.EventID, 10, 64)
	if err != nil {
		r.refused++
		return
	}
	about := message.Data.Reference
	r.orders[about] = append(r.orders[about], event)
	r.types[about] = append(r.types[about], message.Type)
}

func (r *receiver) requests(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paths[path]
}

// events is how many different ones it was told of.
func (r *receiver) events() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

// told shows what it was told, and how.
func (w *world) toldInOrder(r *receiver) {
	w.t.Helper()
	w.settled()
	w.await("the receiver knows every event", func() (bool, error) {
		there, err := w.sql(`SELECT (SELECT count(*) FROM events WHERE source = 'torture' OR source IS NULL) + (SELECT count(*) FROM new_events)`)
		return r.events() == there, err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused > 0 {
		w.t.Errorf("the receiver refused %d messages", r.refused)
	}
	for about, events := range r.orders {
		if !slices.IsSorted(events) {
			w.t.Errorf("events of %q came as %v", about, events)
		}
		// On a machine that is too slow for its calls a job may need a person: the verdict knows when that may be.
		ended := slices.Contains(r.types[about], "order.completed") || slices.Contains(r.types[about], "order.needs_attention")
		if about != "" && (r.types[about][0] != "order.accepted" || !ended) {
			w.t.Errorf("of %q it was told %v", about, r.types[about])
		}
	}
}

// sendsWebhooks gives workers that are started from now on what they need to send.
func (w *world) sendsWebhooks() {
	w.servesTokens()
	w.settings["WEBHOOK_ALLOWED_NETWORKS"] = "127.0.0.1/32"
}

// webhook adds a webhook by the command line, which allows more than the workers do, and returns its secret.
func (w *world) webhook(url string, flags ...string) (secret string) {
	w.t.Helper()
	p := w.start("webhooks add", w.environ("WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8"), append([]string{"webhooks", "add", "torture", url, "--by", "torture"}, flags...)...)
	w.ended(p)
	if secret = regexp.MustCompile(`whsec_\S+`).FindString(p.said(w.t)); secret == "" {
		w.t.Fatalf("no webhook: %s", p.said(w.t))
	}
	return secret
}

const everyType = "--types=order.accepted,order.completed,order.needs_attention,hold.placed,hold.lifted,job.finished,webhook.disabled"

// webhooksCrash kills the worker whose first message is not answered yet. Beside the receiver that is well are some that are not.
func webhooksCrash(w *world) {
	w.sendsWebhooks()
	r := w.receiver(true)
	r.secret = w.webhook(r.server.URL+"/well", everyType)
	for _, path := range []string{"/redirects", "/gone", "/hangs", "/lies"} {
		w.webhook(r.server.URL + path)
	}
	inside, connections := w.neverReached()
	w.webhook("http://"+inside+"/", "--types=order.accepted")
	crasher := w.worker()
	w.register("one", names("a", 2*batchSize)...)
	w.await("the first message is there", func() (bool, error) { return closed(r.firsts), nil })
	w.signal(crasher, syscall.SIGKILL)
	w.crashed(crasher, "worker killed while a receiver of webhooks takes its time")
	w.worker()
	w.register("two", names("b", 2*batchSize)...)
	w.toldInOrder(r)
	for _, path := range []string{"/redirects", "/gone", "/hangs", "/lies"} {
		w.proveCount("receiver of webhooks that "+strings.TrimPrefix(path, "/"), r.requests(path))
	}
	w.await("the one that is gone is disabled", func() (bool, error) {
		n, err := w.sql(`SELECT count(*) FROM webhook_endpoints WHERE disabled_for = 'gone'`)
		return n == 1, err
	})
	if n := r.requests("/gone"); n > 8 { // as many are under way at once
		w.t.Errorf("the one that is gone got %d messages", n)
	}
	if r.requests("/inside") > 0 || connections() > 0 {
		w.t.Errorf("redirects were followed %d times, and %d connections made to an address that is not allowed", r.requests("/inside"), connections())
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// neverReached listens where no worker may connect to, and counts who does.
func (w *world) neverReached() (address string, connections func() int) {
	w.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var (
		mu   sync.Mutex
		n    int
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			n++
			mu.Unlock()
			conn.Close()
		}
	}()
	w.t.Cleanup(func() {
		if err := l.Close(); err != nil {
			w.t.Error(err)
		}
		<-done
	})
	return l.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// webhooksWithoutPostgres has a worker not know whether it has noted what was sent.
func webhooksWithoutPostgres(w *world) {
	w.sendsWebhooks()
	r := w.receiver(false)
	r.secret = w.webhook(r.server.URL+"/well", everyType)
	w.toDatabase.DropCommit("INSERT INTO webhook_attempts")
	w.worker()
	w.register("one", names("a", 3*batchSize)...)
	w.await("a message has come", func() (bool, error) { return r.events() > 0, nil })
	w.await("a reply is lost", func() (bool, error) { return w.toDatabase.Counts().Dropped > 0, nil })
	w.proveCount("reply to a COMMIT of a webhook's attempt dropped", w.toDatabase.Counts().Dropped)
	w.toDatabase.Refuse()
	pass(w.t, 2*time.Second)
	w.toDatabase.Heal()
	w.proveCount("Postgres away while webhooks are sent", w.toDatabase.Counts().Cut)
	for i := range 3 {
		w.register(fmt.Sprintf("more-%d", i), names(fmt.Sprintf("b%d", i), batchSize)...)
	}
	w.toldInOrder(r)
}
