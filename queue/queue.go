// Package queue is what travels: the task types, the chunk of jobs that a task carries, the queues with their
// weights, and the Producer.
//
// A Go order system can import it alone, to enqueue chunks by itself: it imports neither Postgres nor the
// worker, and it must never do so. A task's type must be that of its queue: workers turn any other away. It has no
// TaskID, no Unique, no Group and no Retention; an epoch in its jobs, compared in Postgres, makes a repeated or late
// delivery harmless instead.
package queue

import "strings"

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
