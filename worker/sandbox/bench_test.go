package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// The sandbox must not be what a benchmark of the worker measures: well over 40,000 domains/s.
func BenchmarkBulk(b *testing.B) {
	for _, c := range []struct {
		path string
		size int
	}{{"/whois", 100}, {"/domain/bulk", 50}} {
		b.Run(c.path, func(b *testing.B) {
			s := setup(b, sandbox.Options{LedgerCounts: true})
			var calls atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					body := bulkBody(b, c.path, calls.Add(1), c.size)
					r := httptest.NewRequest("POST", c.path, bytes.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("Authorization", "Bearer "+s.jwt)
					w := httptest.NewRecorder()
					s.ServeHTTP(w, r)
					if w.Code != 200 {
						b.Errorf("%d %s", w.Code, w.Body)
					}
				}
			})
			b.ReportMetric(float64(calls.Load()*int64(c.size))/b.Elapsed().Seconds(), "domains/s")
		})
	}
}

func bulkBody(b *testing.B, path string, call int64, size int) []byte {
	names := make([]string, size)
	for i := range names {
		names[i] = fmt.Sprintf("bench-%d-%d.nl", call, i)
	}
	var body any = map[string]any{"domains": names}
	if path != "/whois" {
		body = registerBody(names...)
	}
	data, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	return data
}
