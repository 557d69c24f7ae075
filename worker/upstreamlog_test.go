package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// upstreamLogger is an upstreamLog with a clock that stands still, and what it wrote.
type upstreamLogger struct {
	*upstreamLog
	now  time.Time
	text bytes.Buffer
}

func newUpstreamLogger() *upstreamLogger {
	l := &upstreamLogger{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	l.upstreamLog = newUpstreamLog(zerolog.New(&l.text), func() time.Time { return l.now })
	return l
}

// lines are what was written since it was asked last, in short.
func (l *upstreamLogger) lines(t *testing.T) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(l.text.String()) {
		var entry struct {
			Level, Op, Message, Why string
			Status, Calls, Jobs     int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %d %s (%d)", entry.Level, entry.Op, entry.Status, entry.Why, entry.Calls+entry.Jobs)))
	}
	l.text.Reset()
	return lines
}

// A failing upstream is logged once a minute for each operation, and its end once.
func TestUpstreamLogIsSparing(t *testing.T) {
	t.Parallel()
	l := newUpstreamLogger()
	want := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, l.lines(t)); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
	}
	broken := errors.New("Joost Secretman of Kerkstraat cannot have it")
	l.Note(record.OpWhois, 200, nil)
	want()
	l.Note(record.OpWhois, 503, broken)
	l.Note(record.OpRegister, 0, io.EOF)
	want("warn whois 503 HTTP 503 (1)", "warn register 0 the connection broke off (1)")
	for range 30 {
		l.now = l.now.Add(time.Second)
		l.Note(record.OpWhois, 500, broken)
	}
	want()
	l.now = l.now.Add(30 * time.Second)
	l.Note(record.OpWhois, 500, broken)
	want("warn whois 500 HTTP 500 (31)")
	l.Note(record.OpRegister, 422, broken) // it refuses, and so it answers
	l.Note(record.OpRegister, 200, nil)
	want("info register 0  (1)")
	l.Note(record.OpWhois, 200, nil)
	want("info whois 0  (32)")
	for range 10 { // one call in two fails
		l.Note(record.OpWhois, 500, broken)
		l.Note(record.OpWhois, 200, nil)
	}
	want()
	l.now = l.now.Add(upstreamLogEvery)
	l.Note(record.OpWhois, 429, broken)
	want("warn whois 429 it asks for fewer calls (11)")
	l.Note(record.OpCheck, 0, fmt.Errorf("call: %w", context.Canceled))
	want()
	l.Unconfirmed(uuid.New(), 0)
	want()
	l.Unconfirmed(uuid.New(), 3)
	want("error  0  (3)")
}

// What the registrar's client says of a failure is told in our own words.
func TestWhyFailed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		status int
		err    error
	}{
		"HTTP 503":                          {503, errors.New("x")},
		"no whole answer in time":           {0, fmt.Errorf("read: %w", context.DeadlineExceeded)},
		"the connection is refused":         {0, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)},
		"the connection broke off":          {200, fmt.Errorf("read: %w", io.ErrUnexpectedEOF)},
		"the host cannot be reached":        {0, syscall.EHOSTUNREACH},
		"the answer is larger than allowed": {200, registrar.ErrTooLarge},
		"the answer cannot be read":         {200, errors.New("invalid character '<'")},
		"no answer":                         {0, errors.New("lookup api.example.com: no such host")},
		"no token: HTTP 502":                {0, &registrar.AuthError{Answer: registrar.Answer{Status: http.StatusBadGateway}}},
		"no token: no answer":               {0, &registrar.AuthError{}},
		"HTTP 302":                          {302, errors.New("x")},
	} {
		if got := whyFailed(c.status, c.err); got != want {
			t.Errorf("%d, %v: %q, want %q", c.status, c.err, got, want)
		}
	}
}

// However a real client fails, its words do not get through.
func TestUpstreamLogOfARealClient(t *testing.T) {
	t.Parallel()
	l := newUpstreamLogger()
	client, err := registrar.New(registrar.Config{BaseURL: "http://127.0.0.1:1", ClientID: "x", ClientSecret: "hunter2", Timeout: time.Second, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	reply, err := client.CheckBulk(t.Context(), []string{"a.nl"})
	l.Note(record.OpWhois, reply.Status, err)
	if diff := cmp.Diff([]string{"warn whois 0 no token: the connection is refused (1)"}, l.lines(t)); diff != "" {
		t.Error(diff)
	}
}
