// Package queue is what travels: the task types, the chunk of jobs that a task carries, the queues with their
// weights, and the Producer.
//
// A Go order system can import it alone, to enqueue chunks by itself: it imports neither Postgres nor the
// worker, and it must never do so. A task's type must be that of its queue: workers turn any other away. It has no
// TaskID, no Unique, no Group and no Retention; an epoch in its jobs, compared in Postgres, makes a repeated or late
// delivery harmless instead.
package queue

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Kind is what a task asks for.
type Kind string

// The kinds.
const (
	Whois    Kind = "whois"
	Register Kind = "register"
	Token    Kind = "token"
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{Whois, Register, Token} }

// ParseKind reads a kind's name.
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if s == string(k) {
			return k, nil
		}
	}
	return "", fmt.Errorf("unknown kind %q: one of whois, register, token", s)
}

// The task types, one per kind.
const (
	TypeWhois    = "whois:check"
	TypeRegister = "domain:register"
	TypeToken    = "account:token"
)

// TaskType is the Asynq task type that carries jobs of this kind.
func (k Kind) TaskType() string {
	switch k {
	case Whois:
		return TypeWhois
	case Register:
		return TypeRegister
	default:
		return TypeToken
	}
}

// Lane says which of a kind's two queues a chunk takes.
type Lane string

// The lanes. Small orders ride the plain one, so that a customer's one domain never waits behind somebody's
// hundred thousand.
const (
	Plain Lane = "plain"
	Bulk  Lane = "bulk"
)

// Lanes lists both lanes.
func Lanes() []Lane { return []Lane{Plain, Bulk} }

const bulkSuffix = "-bulk"

// Queue is the name of the Asynq queue of a kind and lane.
func Queue(k Kind, l Lane) string {
	if l == Bulk {
		return string(k) + bulkSuffix
	}
	return string(k)
}

// LaneOf is the lane of a queue, by its name: a public one, or an account's.
func LaneOf(queue string) Lane {
	public, _, _ := strings.Cut(queue, "/")
	if strings.HasSuffix(public, bulkSuffix) {
		return Bulk
	}
	return Plain
}

// The weights with which a server takes tasks from a kind's two queues when both have some.
const (
	plainWeight = 8
	bulkWeight  = 1
)

// Weights is what an Asynq server of this kind listens to.
func Weights(k Kind) map[string]int {
	return map[string]int{Queue(k, Plain): plainWeight, Queue(k, Bulk): bulkWeight}
}

// jobNamespace is the namespace of derived job ids; a random UUID, fixed for ever.
var jobNamespace = uuid.MustParse("6d1c3c1e-54f4-4c53-9a4e-9f3f5f0d8b6a")

// JobID derives the id of a job from what it is, so that the same job asked for twice is one job. The domain is in
// its ASCII form. The parts are joined with a byte that none of them can hold.
func JobID(source, order string, kind Kind, domain string) uuid.UUID {
	return uuid.NewSHA1(jobNamespace, []byte(source+"\x00"+order+"\x00"+string(kind)+"\x00"+domain))
}
