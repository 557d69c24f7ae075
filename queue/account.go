package queue

import (
	"fmt"
	"strings"
)

// AccountQueue is the name of the Asynq queue in which a dispatcher's deliveries for one account lie: each account has its own,
// so that the backlog of one never stands before another's. Producers use Queue.
func AccountQueue(k Kind, l Lane, account string) string {
	return Queue(k, l) + "/" + escapeAccount(account)
}

// AccountWeights is what an Asynq server of this kind and account listens to.
func AccountWeights(k Kind, account string) map[string]int {
	return map[string]int{AccountQueue(k, Plain, account): plainWeight, AccountQueue(k, Bulk, account): bulkWeight}
}

// escapeAccount makes a part of a queue's name of an account's. Asynq builds its Redis keys as asynq:{QUEUE}:pending, and a
// Redis cluster places a key by what stands between its braces: an account's name must not end that part early, nor continue
// the key. No two accounts get the same name.
func escapeAccount(account string) string {
	var b strings.Builder
	for i := range len(account) {
		switch c := account[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c >= 0x80:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
