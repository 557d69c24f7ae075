package worker_test

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// lockedBuffer takes the log of a whole worker.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// Whatever happens to an order, details of its holders are in Postgres, in the one column that is meant for them, and
// nowhere else: not in Redis, not in a log, not in an error.
func TestDetailsStayInTheirPlace(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.redis = redistest.Server(t).URL() // all that its server does is watched
	const words = "cannot serve Joost Secretman of Kerkstraat 1 in 1234AB Zonnedorp, joost.Secretman@example.nl, +31612345678"
	for _, f := range []sandbox.Fault{
		{Op: sandbox.OpHolder, Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Message: words},
		{Op: sandbox.OpHolder, Kind: sandbox.KindHTML, Skip: 1},
		{Op: sandbox.OpHolder, Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Message: words, Skip: 1},
		{Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Message: words},
		{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Message: words},
		{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusPaymentRequired, Message: words},
		{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Message: words},
	} {
		b.inject(f)
	}
	monitor := b.watchRedis()
	var log lockedBuffer
	o := b.options()
	o.UpstreamTimeout = 500 * time.Millisecond
	o.Log = zerolog.New(&log).Level(zerolog.TraceLevel)
	stop := b.work(o)
	b.settled(b.submitHolders("r", names("shop", 120), always("Secretman")), b.submitHolders("s", names("more", 60), always("Secretman")))
	// A new order asks again for a holder who was refused.
	b.settled(b.submitHolders("t", names("again", 60), always("Secretman")))
	stop()
	sent := monitor()
	if !strings.Contains(sent, "shop-0000.nl") || !strings.Contains(log.String(), "working") {
		t.Error("the log or the Redis traffic was not watched")
	}
	for _, personal := range []string{"secretman", "@example.nl", "612345678", "kerkstraat", "zonnedorp", "joost", "1234 ab"} {
		for place, text := range map[string]string{"redis": sent, "log": log.String()} {
			if at := strings.Index(strings.ToLower(text), personal); at >= 0 {
				t.Errorf("%s is in the %s: %s", personal, place, text[max(0, at-100):min(len(text), at+100)])
			}
		}
		for table, where := range map[string]string{
			"jobs": "t::text", "calls": "t::text", "claims": "t::text", "attempts": "t::text", "orders": "t::text", "chunks": "t::text", "holds": "t::text", "readings": "t::text",
			"holders": "coalesce(words, '')",
		} {
			if n := b.sql(`SELECT count(*) FROM `+table+` t WHERE `+where+` ILIKE '%' || $1 || '%'`, personal); n > 0 {
				t.Errorf("%s is in %d rows of %s", personal, n, table)
			}
		}
	}
	if n := b.sql(`SELECT count(*) FROM holders WHERE details->>'email' ILIKE '%@example.nl'`); n != 1 {
		t.Errorf("%d holders have their details, want 1", n)
	}
}

// What the upstream says of a registration may be about a person. It is for who asks, in Postgres, and not for the log.
func TestUpstreamsWordsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	for _, status := range []int{http.StatusInternalServerError, http.StatusUnprocessableEntity, http.StatusPaymentRequired} {
		b.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: status, Message: "Joost Secretman of Kerkstraat cannot have it"})
	}
	var log lockedBuffer
	o := b.options()
	o.HoldInterval = time.Hour
	o.Log = zerolog.New(&log).Level(zerolog.TraceLevel)
	stop := b.work(o)
	b.submit(queue.Register, "r", names("shop", 20))
	b.eventually(func() bool { return len(b.holds()) == 1 })
	stop()
	if words := b.holds()[0].Words; !strings.Contains(words, "Secretman") {
		t.Errorf("the hold says %q, want the upstream's words", words)
	}
	if text := log.String(); strings.Contains(text, "Secretman") || !strings.Contains(text, "on hold") {
		t.Errorf("the log says %s", text)
	}
}

// watchRedis collects every command that reaches Redis until the function that it returns is called.
func (b *bench) watchRedis() (collected func() string) {
	b.t.Helper()
	options, err := redis.ParseURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	conn, err := net.Dial(options.Network, options.Addr)
	if err != nil {
		b.t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	for _, command := range []string{"AUTH " + options.Password, "MONITOR"} {
		if options.Password == "" && command != "MONITOR" {
			continue
		}
		if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
			b.t.Fatal(err)
		}
		if reply, err := lines.ReadString('\n'); err != nil || reply != "+OK\r\n" {
			b.t.Fatalf("watch Redis: %q, %v", reply, err)
		}
	}
	all := make(chan string, 1)
	go func() {
		var text strings.Builder
		for {
			line, err := lines.ReadString('\n')
			text.WriteString(line)
			if err != nil || strings.Contains(line, "end of watch") {
				all <- text.String()
				return
			}
		}
	}()
	return func() string {
		b.t.Helper()
		client := redis.NewClient(options)
		defer client.Close()
		defer conn.Close()
		if err := client.Echo(b.t.Context(), "end of watch").Err(); err != nil {
			b.t.Fatal(err)
		}
		return <-all
	}
}
