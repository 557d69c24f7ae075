package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue/api"
)

// A body that stands still is given up, and nothing of it is stored.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.BodyPatience = 100 * time.Millisecond })
	for _, begun := range []string{"", "a.nl\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /v1/orders?kind=whois&reference=slow HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n%s",
			d.keys["operator"].Reveal(), begun)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%q: %s", begun, response.Status)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	d.get("/v1/orders/slow").want(http.StatusNotFound)
}

// A value of a JSON body is bounded, however large a body may be.
func TestLongValues(t *testing.T) {
	t.Parallel()
	d := setup(t)
	long := strings.Repeat("a", 3<<20)
	for name, body := range map[string]string{
		"a job":    `{"reference":"r","kind":"whois","jobs":["` + long + `"]}`,
		"a member": `{"reference":"` + long + `","kind":"whois","jobs":["a.nl"]}`,
		"a name":   `{"` + long + `":"r","kind":"whois","jobs":["a.nl"]}`,
	} {
		if a := d.post("/v1/orders", body).want(http.StatusRequestEntityTooLarge); len(a.body) > 1000 {
			t.Errorf("%s: %d bytes are answered", name, len(a.body))
		}
	}
}

// One key has so many orders on their way in, and no more, whatever the others do.
func TestOrdersAtOnce(t *testing.T) {
	t.Parallel()
	d := setup(t)
	const most, tried = 32, 40
	var open sync.WaitGroup
	bodies := make([]*io.PipeWriter, tried)
	entered := make(chan int, tried)
	for i := range tried {
		r, w := io.Pipe()
		bodies[i] = w
		open.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("%s/v1/orders?kind=whois&reference=open%d", d.url, i), r)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer "+d.keys["operator"].Reveal())
			request.Header.Set("Content-Type", "text/plain")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			entered <- response.StatusCode
		})
	}
	// Each of them is at it once its body is read. A client sends nothing before there is a buffer full of it.
	for i, w := range bodies {
		_, _ = fmt.Fprintf(w, "first-%d.nl\n%s", i, strings.Repeat("# a comment\n", 1000)) // one that is refused is closed
	}
	// Those that are refused are answered at once, although their bodies go on.
	for range tried - most {
		if status := <-entered; status != http.StatusTooManyRequests {
			t.Errorf("status %d", status)
		}
	}
	d.post("/v1/orders?kind=whois&reference=more", "a.nl\n", "Content-Type", "text/plain").want(http.StatusTooManyRequests).problem("too-many-requests")
	d.as("other").post("/v1/orders?kind=whois&reference=more", "a.nl\n", "Content-Type", "text/plain").want(http.StatusAccepted)
	for _, w := range bodies {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	open.Wait()
	close(entered)
	for status := range entered {
		if status != http.StatusAccepted {
			t.Errorf("status %d", status)
		}
	}
}

// Whoever sends a body that nobody reads, and does not go on with it, is answered all the same.
func TestBodiesThatNobodyReads(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.BodyPatience = 100 * time.Millisecond })
	for request, status := range map[string]int{
		"POST /v1/orders HTTP/1.1\r\n": http.StatusUnauthorized, "GET /healthz HTTP/1.1\r\n": http.StatusOK, "POST /nothing HTTP/1.1\r\n": http.StatusNotFound,
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%sHost: h\r\nContent-Length: 1000\r\n\r\nx", request); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		if response.StatusCode != status {
			t.Errorf("%s: %s", request, response.Status)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A source that has all its requests wait for events is told so, and takes nothing from another one.
func TestWaitingReadersOfOneSource(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.RequestsAtOnce = 3 })
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	ended := make(chan struct{}, 3)
	for range 3 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/v1/events?wait=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+d.keys["reader"].Reveal())
		go func() {
			defer func() { ended <- struct{}{} }()
			for ctx.Err() == nil { // the probe below may be in its way
				if response, err := http.DefaultClient.Do(request); err == nil {
					response.Body.Close()
				}
			}
		}()
	}
	var refused answer
	d.eventually(func() bool {
		refused = d.get("/v1/holds")
		return refused.StatusCode == http.StatusTooManyRequests
	})
	if p := refused.problem("too-many-requests"); refused.Header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "3 requests of the source are being answered") {
		t.Errorf("%s, %v", p.Detail, refused.Header)
	}
	d.as("other").get("/v1/holds").want(http.StatusOK)
	leave()
	for range 3 {
		<-ended
	}
	d.eventually(func() bool { return d.get("/v1/holds").StatusCode == http.StatusOK })
}
