package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/keys"
)

// What is asked of the HTTP API.
const (
	doorClients = 8       // each of which waits for its answer before it gives the next order
	largeOrder  = 100_000 // domains
)

// DoorFigures is how fast the HTTP API accepts orders. No worker works on them meanwhile.
type DoorFigures struct {
	Clients  int     `json:"clients"`
	Orders   int     `json:"orders"` // of one domain each, accepted and durable
	Rate     float64 `json:"orders_per_second"`
	MedianMS float64 `json:"median_ms"`
	P99MS    float64 `json:"p99_ms"`
	Large    int     `json:"large_order_domains"`
	LargeSec float64 `json:"large_order_seconds"`
	Told     int     `json:"events_told"` // orders that a reader of the log of events was told of meanwhile: all, or the row fails
	Streams  int     `json:"open_streams"`
	Grown    int64   `json:"bytes_of_open_streams"` // by which the API's memory grew; 0 where the system does not tell
}

// door is an API and a key for it.
type door struct {
	program *Program
	client  *http.Client
	url     string
	key     string
}

// unlimited is how many requests the key may make in a minute: it is not the limit that is measured.
const unlimited = math.MaxInt32

// prepareDoor starts an API on an empty database.
func (b *Bed) prepareDoor(ctx context.Context) error {
	if err := b.freshServers(ctx); err != nil {
		return err
	}
	if err := b.openStore(ctx); err != nil {
		return err
	}
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return err
	}
	err = b.store.Keys.Create(ctx, keys.NewKey{
		ID: key.ID(), Source: source, Role: string(apikey.Submit), Digest: key.Digest(), By: source, Limits: keys.Limits{RequestsPerMinute: unlimited},
	})
	if err != nil {
		return err
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	b.door = &door{url: "http://" + addr, key: key.Reveal(), client: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: doorClients},
	}}
	b.door.program, err = b.start([]string{"DATABASE_URL=" + b.postgres.URL(databaseName), "HTTP_ADDR=" + addr, "LOG_LEVEL=warn"}, "api")
	if err != nil {
		return err
	}
	b.closers = append(b.closers, b.door.program.stop)
	return b.door.await(ctx)
}

// freeAddr is an address of this machine that nobody listens on.
func freeAddr(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// warmUpOrders is how many orders await gives.
const warmUpOrders = 1

// await waits until the API answers, and warms it up.
func (d *door) await(ctx context.Context) error {
	const look = 20 * time.Millisecond
	for {
		if err := d.order(ctx, "warm-up", `["warm-up.nl"]`); err == nil {
			return nil
		}
		timer := time.NewTimer(look)
		select {
		case <-timer.C:
		case <-d.program.Done():
			return d.program.ended()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (d *door) order(ctx context.Context, reference, jobs string) error {
	body := fmt.Sprintf(`{"reference":%q,"kind":"whois","jobs":%s}`, reference, jobs)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/v1/orders", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+d.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := d.client.Do(request)
	if err != nil {
		return fmt.Errorf("give order: %w", err)
	}
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("give order: %w", err)
	}
	if response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("give order: %s: %s", response.Status, said)
	}
	return nil
}

// accept measures how fast orders of one domain are accepted for so long, and then a large one.
func (d *door) accept(ctx context.Context, howLong time.Duration) (*DoorFigures, error) {
	var (
		mu    sync.Mutex
		times []time.Duration
	)
	began := time.Now()
	reader, given := &feed{door: d}, make(chan int, 1)
	following, ctx1 := errgroup.WithContext(ctx)
	following.Go(func() error { return reader.follow(ctx1, given) })
	clients, ctx2 := errgroup.WithContext(ctx1)
	for c := range doorClients {
		clients.Go(func() error {
			var mine []time.Duration
			for i := 0; time.Since(began) < howLong; i++ {
				asked := time.Now()
				if err := d.order(ctx2, fmt.Sprintf("order-%d-%d", c, i), fmt.Sprintf(`["order-%d-%d.nl"]`, c, i)); err != nil {
					return err
				}
				mine = append(mine, time.Since(asked))
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
			return nil
		})
	}
	if err := clients.Wait(); err != nil {
		return nil, errors.Join(err, ctx1.Err())
	}
	took := time.Since(began)
	given <- len(times) + warmUpOrders
	if err := following.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(times)
	f := &DoorFigures{
		Clients: doorClients, Orders: len(times), Rate: float64(len(times)) / took.Seconds(), Large: largeOrder,
		MedianMS: milliseconds(times[(len(times)-1)/2]), P99MS: milliseconds(times[(len(times)-1)*99/100]),
	}
	var jobs strings.Builder
	for i := range largeOrder {
		fmt.Fprintf(&jobs, `,"large-%07d.nl"`, i)
	}
	asked := time.Now()
	err := d.order(ctx, "large", "["+jobs.String()[1:]+"]")
	f.LargeSec = time.Since(asked).Seconds()
	if err != nil {
		return nil, err
	}
	f.Told, f.Streams = reader.told-warmUpOrders, openStreams
	f.Grown, err = d.streams(ctx)
	return f, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
