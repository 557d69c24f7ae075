//go:build !race

package worker

// histories is how many TestHistories simulates.
const histories = 5_000
