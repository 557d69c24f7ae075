package queue_test

import (
	"maps"
	"testing"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
)

// Producers in other languages know these names.
func TestNamesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for kind, want := range map[queue.Kind]struct{ taskType, plain, bulk string }{
		queue.Whois:    {"whois:check", "whois", "whois-bulk"},
		queue.Register: {"domain:register", "register", "register-bulk"},
		queue.Token:    {"account:token", "token", "token-bulk"},
	} {
		if got := kind.TaskType(); got != want.taskType {
			t.Errorf("task type %s, want %s", got, want.taskType)
		}
		if got := queue.Queue(kind, queue.Plain); got != want.plain || queue.LaneOf(got) != queue.Plain {
			t.Errorf("plain queue %s, want %s", got, want.plain)
		}
		if got := queue.Queue(kind, queue.Bulk); got != want.bulk || queue.LaneOf(got) != queue.Bulk {
			t.Errorf("bulk queue %s, want %s", got, want.bulk)
		}
		weights := queue.Weights(kind)
		if !maps.Equal(weights, map[string]int{want.plain: weights[want.plain], want.bulk: weights[want.bulk]}) ||
			weights[want.plain] <= weights[want.bulk] || weights[want.bulk] < 1 {
			t.Errorf("weights %v, want more for the plain queue and some for the other", weights)
		}
		if got, err := queue.ParseKind(string(kind)); err != nil || got != kind {
			t.Errorf("parsed %s, %v", got, err)
		}
	}
	if n := len(queue.Kinds()); n != 3 || len(queue.Lanes()) != 2 {
		t.Errorf("%d kinds, %d lanes", n, len(queue.Lanes()))
	}
}

func TestParseKindRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "Whois", "whois ", "transfer"} {
		if k, err := queue.ParseKind(s); err == nil || k != "" {
			t.Errorf("%q became %q", s, k)
		}
	}
}

// A derived id is what makes a repeat the same job, also across releases. These must never change.
func TestJobIDsNeverChange(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		source, order string
		kind          queue.Kind
		domain        string
	}{
		"5dbee5f9-e6c2-58cb-b526-fff1c04a1034": {"shop", "r-1", queue.Register, "example.nl"},
		"0f01e91c-7c02-5fc6-b840-20de6739565d": {"shop", "r-1", queue.Whois, "example.nl"},
		"37235f2e-f389-57dc-b037-623cb50de237": {"cli", "für Käse", queue.Register, "xn--kse-qla.nl"},
		"dfa0bc5b-034d-504f-b6fa-61523c0dde30": {"", "", "", ""},
	} {
		if got := queue.JobID(c.source, c.order, c.kind, c.domain).String(); got != want {
			t.Errorf("%v has the id %s, want %s", c, got, want)
		}
	}
}

func TestJobIDsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[uuid.UUID][]string{}
	for _, parts := range [][]string{
		{"a", "b", "whois", "c.nl"}, {"ab", "", "whois", "c.nl"}, {"", "ab", "whois", "c.nl"}, {"a", "b", "register", "c.nl"},
		{"a", "bwhois", "", "c.nl"}, {"a", "b", "whois", "d.nl"}, {"b", "a", "whois", "c.nl"},
	} {
		id := queue.JobID(parts[0], parts[1], queue.Kind(parts[2]), parts[3])
		if other, there := seen[id]; there {
			t.Errorf("%q and %q have the same id", parts, other)
		}
		seen[id] = parts
	}
}
