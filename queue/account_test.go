package queue_test

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue"
)

func TestQueuesOfAccounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind    queue.Kind
		lane    queue.Lane
		account string
		want    string
	}{
		{queue.Whois, queue.Plain, "default", "whois/default"},
		{queue.Register, queue.Bulk, "partner-1.nl", "register-bulk/partner-1.nl"},
		{queue.Whois, queue.Plain, "a-bulk", "whois/a-bulk"},
		{queue.Whois, queue.Plain, "a}:pending", "whois/a%7D%3Apending"},
		{queue.Whois, queue.Bulk, "{a} b/c%7D", "whois-bulk/%7Ba%7D%20b%2Fc%257D"},
		{queue.Whois, queue.Bulk, "müller", "whois-bulk/müller"},
	} {
		got := queue.AccountQueue(c.kind, c.lane, c.account)
		if got != c.want {
			t.Errorf("queue of %q is %q, want %q", c.account, got, c.want)
		}
		if lane := queue.LaneOf(got); lane != c.lane {
			t.Errorf("%q is called a queue of the lane %s", got, lane)
		}
		if weights := queue.AccountWeights(c.kind, c.account); len(weights) != 2 || weights[got] == 0 {
			t.Errorf("a server of %q listens to %v", c.account, weights)
		}
	}
}

// Whatever is printable may be in an account's name. The name of its queue is its own, and ends no part of a Redis key.
func FuzzAccountQueue(f *testing.F) {
	f.Add("a}:pending", "a%7D%3Apending")
	f.Add("a", "a-bulk")
	f.Add("{}", "{")
	f.Fuzz(func(t *testing.T, one, two string) {
		a, b := queue.AccountQueue(queue.Whois, queue.Plain, one), queue.AccountQueue(queue.Whois, queue.Plain, two)
		if (a == b) != (one == two) {
			t.Errorf("accounts %q and %q: queues %q and %q", one, two, a, b)
		}
		if strings.ContainsAny(a, "{}: ") || strings.Count(a, "/") != 1 || queue.LaneOf(a) != queue.Plain {
			t.Errorf("account %q: queue %q", one, a)
		}
	})
}
