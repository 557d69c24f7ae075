package torture

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// door is an API as a process, and a key for it.
type door struct {
	*process
	url string
	key string
}

// What logs say with the address of a port.
const (
	apiListens     = "serving the HTTP API"
	metricsListens = "answering /healthz, /readyz and /metrics"
)

// aDay is what a key may order in a day: exactly the order of a scenario.
const aDay = 3 * batchSize

// api starts an API with changed settings.
func (w *world) api(changes ...string) door {
	w.t.Helper()
	d := door{key: w.apiKey(keys.Limits{RegistrationsPerDay: aDay})}
	d.process = w.start("api", w.environ(append(changes, "HTTP_ADDR=127.0.0.1:0")...), "api")
	await(w.t, "the API listens", w.patience, func() (bool, error) {
		addr := d.addr(apiListens)
		d.url = "http://" + addr
		return addr != "", nil
	})
	return d
}

// apiKey is a key for the HTTP API.
func (w *world) apiKey(limits keys.Limits) string {
	w.t.Helper()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.store.Keys.Create(w.t.Context(), keys.NewKey{
		ID: key.ID(), Source: "torture", Role: "submit", Digest: key.Digest(), By: "torture", Limits: limits,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return key.Reveal()
}

// addr is where a process listens, as its log says with a message; "" if it does not say so yet.
func (p *process) addr(message string) string {
	said, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(said)) {
		var said struct{ Addr, Message string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Message == message {
			return said.Addr
		}
	}
	return ""
}

// answer is what an API says of an order.
type answer struct {
	Reference string `json:"reference"`
	Total     int    `json:"total"`
	Repeat    bool   `json:"repeat"`
	status    int
}

var errUnavailable = errors.New("the API cannot do it now")

// post gives an order of registrations. Its error is that there is no answer, or that it is to be sent again.
func (d door) post(domains []string) (answer, error) {
	jobs, err := json.Marshal(domains)
	if err != nil {
		return answer{}, err
	}
	return d.send(strings.NewReader(fmt.Sprintf(`{"reference":"order","kind":"register","holder_id":%q,"jobs":%s}`, sandbox.DefaultHolder, jobs)))
}

// send gives an order as it is written. With the header Expect its body waits until the API reads it.
func (d door) send(body io.Reader, header ...string) (answer, error) {
	request, err := http.NewRequest(http.MethodPost, d.url+"/v1/orders", body)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+d.key)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode}
	switch {
	case response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusInternalServerError:
		return a, errUnavailable
	case response.StatusCode >= 300:
		return a, fmt.Errorf("%s: %s", response.Status, text)
	}
	return a, json.Unmarshal(text, &a)
}

// postAgain repeats an order until it is answered, as an order system does, and finds it there, and counted once.
func (w *world) postAgain(d door, domains []string) {
	w.t.Helper()
	var got answer
	await(w.t, "the order is answered", w.patience, func() (ok bool, err error) {
		got, err = d.post(domains)
		return err == nil, err
	})
	if got.status != http.StatusOK || !got.Repeat || got.Total != len(domains) {
		w.t.Errorf("the repeat is answered with %+v, want the order that is there", got)
	}
	order, err := w.store.Orders.Find(w.t.Context(), "torture", "order")
	if err != nil {
		w.t.Fatal(err)
	}
	w.orders = append(w.orders, order)
	var counted int
	err = w.store.Pool.QueryRow(w.t.Context(), `SELECT coalesce(sum(registrations), 0) FROM api_key_days`).Scan(&counted)
	if err != nil || counted != len(domains) {
		w.t.Errorf("%d registrations count against the day, want %d, %v", counted, len(domains), err)
	}
}

// The order system has no answer, and repeats its request at another API: it is one order, paid for once.
func killAPI(w *world) {
	domains := names("a", aDay)
	doomed := w.api("CRASH_AT=submitted")
	if got, err := doomed.post(domains); err == nil {
		w.t.Errorf("it was answered with %+v", got)
	}
	w.crashed(doomed.process, "API killed between the commit of an order and its answer")
	w.worker()
	w.postAgain(w.api(), domains)
}

func loseAPICommit(w *world) {
	domains := names("a", aDay)
	d := w.api()
	w.toDatabase.DropCommit("INSERT INTO orders")
	if got, err := d.post(domains); err == nil {
		w.t.Errorf("it was answered with %+v", got)
	}
	w.proveCount("reply to a COMMIT dropped under the API", w.toDatabase.Counts().Dropped)
	w.worker()
	w.postAgain(d, domains)
}
