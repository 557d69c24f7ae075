package worker_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// linesOf are the lines of a log, as programs read them.
func linesOf(t *testing.T, log string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(log) {
		var read map[string]any
		if err := json.Unmarshal([]byte(line), &read); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, read)
	}
	return lines
}

// A batch of a hundred has as many lines as one of one: one of each call, and one of each thing that became of the order.
func TestLogOfABatch(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	var log lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&log).Level(zerolog.InfoLevel)
	o.Register.BatchSize = 100
	domains := make([]string, 100)
	for i := range domains {
		domains[i] = fmt.Sprintf("log-%d.nl", i)
	}
	order := b.submit(queue.Register, "logged", domains)
	stop := b.work(o)
	b.eventually(func() bool { return strings.Contains(log.String(), "order completed") })
	stop()
	said := map[string][]map[string]any{}
	for _, line := range linesOf(t, log.String()) {
		said[line["message"].(string)] = append(said[line["message"].(string)], line)
	}
	wanted := map[string]int{"working": 1, "order accepted": 1, "called the upstream": 2, "order completed": 1}
	for message, lines := range said {
		if !strings.HasPrefix(message, "stop") && len(lines) != wanted[message] {
			t.Errorf("%d lines say %q: %v", len(lines), message, lines)
		}
	}
	for i, op := range []string{"check", "register"} {
		line := said["called the upstream"][i]
		for key, value := range map[string]any{
			"level": "info", "op": op, "kind": "register", "account": "default", "source": order.Source, "order": "logged",
			"orders": 1.0, "jobs": 100.0, "attempt": 1.0, "status": 200.0,
		} {
			if line[key] != value {
				t.Errorf("%s of the line about %s is %v, want %v: %v", key, op, line[key], value, line)
			}
		}
		for _, key := range []string{"call", "claim", "took_ms"} {
			if line[key] == nil {
				t.Errorf("the line about %s has no %s: %v", op, key, line)
			}
		}
	}
	for _, message := range []string{"order accepted", "order completed"} {
		line := said[message][0]
		if line["order"] != "logged" || line["source"] != order.Source || line["jobs"] != 100.0 || line["kind"] != "register" {
			t.Errorf("%v", line)
		}
	}
	if text := log.String(); slices.ContainsFunc(domains, func(d string) bool { return strings.Contains(text, d) }) {
		t.Error("the log names domains")
	}
}
