package registrar

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// coded is a reply of a body with that Content-Encoding.
func coded(status int, coding string, body []byte) reply {
	head := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n", status, coding, len(body))
	return reply{raw: append([]byte(head), body...)}
}

func TestNoCompressionIsAskedFor(t *testing.T) {
	t.Parallel()
	up := newUpstream(t, always(fixture(t, "registers")))
	c := newTestClient(t, testConfig(up.url()))
	if _, err := c.RegisterBulk(testContext(t), someRegistrations); err != nil {
		t.Fatal(err)
	}
	for _, r := range up.all() {
		if got := r.Header.Values("Accept-Encoding"); len(got) != 1 || got[0] != "identity" {
			t.Errorf("%s: Accept-Encoding %q", r.URL.Path, got)
		}
	}
}

func TestCompressedReplies(t *testing.T) {
	t.Parallel()
	whole := gzipped(t, `{"results":[{"domain":"a.nl","status":"registered"}]}`)
	empty := gzipped(t, "")
	for _, tt := range []struct {
		name  string
		reply reply
		says  string // "": it is read
	}{
		{"gzip", coded(200, "gzip", whole), ""},
		{"by its old name", coded(200, "X-GZip", whole), ""},
		{"identity", coded(200, "identity", []byte(`{"results":[{"domain":"a.nl","status":"registered"}]}`)), ""},
		{"cut", coded(200, "gzip", whole[:len(whole)-9]), "unexpected EOF"},
		{"cut in its head", coded(200, "gzip", whole[:5]), "unexpected EOF"},
		{"nothing", coded(200, "gzip", nil), "unexpected EOF"},
		{"not gzip", coded(200, "gzip", []byte(`{"results":[]}`)), "invalid header"},
		{"another coding", coded(200, "br", []byte("x")), `Content-Encoding "br"`},
		{"twice", coded(200, "gzip, gzip", whole), `Content-Encoding "gzip, gzip"`},
		{"bomb", coded(200, "gzip", gzipped(t, strings.Repeat(" ", 2<<20))), "larger than allowed"},
		{"endless nothing", coded(200, "gzip", bytes.Repeat(empty, 20_000)), "larger than allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t, always(tt.reply))
			c := newTestClient(t, testConfig(up.url()))
			got, err := c.RegisterBulk(testContext(t), someRegistrations)
			if tt.says == "" {
				if err != nil || len(got.Results) != 1 || got.Results[0].Outcome != Registered {
					t.Errorf("got %+v, error %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error = %v, want one that says %q", err, tt.says)
			}
			if got.Status != 200 || !got.Sent || got.Complete || got.Results != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("the words of an error", func(t *testing.T) {
		t.Parallel()
		up := newUpstream(t, always(coded(422, "gzip", gzipped(t, `{"statusCode":422,"message":"no such name"}`))))
		c := newTestClient(t, testConfig(up.url()))
		got, err := c.RegisterBulk(testContext(t), someRegistrations)
		if err == nil || !got.Documented || got.Message != "no such name" {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
}

// 202 is a promise, so that only what was refused for certain is no part of it.
func TestAcceptedCalls(t *testing.T) {
	t.Parallel()
	mixed := `{"results":[{"domain":"a.nl","status":"registered"},{"domain":"b.nl","status":"failed","statusCode":422,"message":"no"},` +
		`{"domain":"c.nl","status":"failed"},{"domain":"d.nl","status":"failed","statusCode":500},{"domain":"f.nl","status":"failed","statusCode":409},{"domain":"e.nl","status":"pending","statusCode":422}]}`
	for _, tt := range []struct {
		name    string
		reply   reply
		refused int
	}{
		{"mixed", coded(202, "identity", []byte(mixed)), 1},
		{"no body", coded(202, "identity", nil), 0},
		{"no JSON", coded(202, "identity", []byte("we are on it")), 0},
		{"unreadable", coded(202, "br", []byte("x")), 0},
		{"cut", reply{raw: coded(202, "identity", []byte(mixed)).raw[:150], close: true}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t, always(tt.reply))
			c := newTestClient(t, testConfig(up.url()))
			got, err := c.RegisterBulk(testContext(t), someRegistrations)
			if err == nil || !got.Accepted() || !got.Sent || len(got.Results) != tt.refused {
				t.Errorf("got %+v, error %v", got, err)
			}
			for _, r := range got.Results {
				if r.Domain != "b.nl" || r.Message != "no" {
					t.Errorf("refused for certain: %+v", r)
				}
			}
			checks, err := c.CheckBulk(testContext(t), []string{"a.nl"})
			if err == nil || checks.Checks != nil {
				t.Errorf("a WHOIS call that is only accepted: %+v, error %v", checks, err)
			}
		})
	}
}
