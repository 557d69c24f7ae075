//go:build race

package worker

// histories is how many TestHistories simulates under the race detector, which slows each down.
const histories = 100
