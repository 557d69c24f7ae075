//go:build !race

package torture

// watchesRaces says whether these tests run with the race detector.
const watchesRaces = false
