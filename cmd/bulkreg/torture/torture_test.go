package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// worldsAtOnce bounds the worlds that are played at the same time. Each has a handful of processes, which mostly wait.
const worldsAtOnce = 8

// TestTorture plays the quick scenarios. With TORTURE_MINUTES set it plays all of them, and then random sequences of
// faults until the minutes are over. It prints the seed that repeats the same sequences.
func TestTorture(t *testing.T) {
	t.Parallel()
	results := &tally{faults: map[string]int{}}
	if !thorough() {
		playScenarios(t, results)
		return
	}
	minutes, err := strconv.ParseFloat(os.Getenv("TORTURE_MINUTES"), 64)
	if err != nil || minutes < 0 {
		t.Fatalf("TORTURE_MINUTES=%q is no number of minutes", os.Getenv("TORTURE_MINUTES"))
	}
	seed, err := seedOf(os.Getenv("TORTURE_SEED"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("TORTURE_SEED=%d", seed)
	end := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	playScenarios(t, results)
	playSequences(t, seed, end, results)
	t.Logf("TORTURE_SEED=%d\n%s", seed, results)
	if results.lost > 0 || results.twice > 0 {
		t.Error("domains were lost, or paid for twice")
	}
}

// playScenarios plays the quick scenarios, or all of them.
func playScenarios(t *testing.T, results *tally) {
	var plays []play
	for _, s := range scenarios() {
		if s.quick || thorough() {
			plays = append(plays, play{s.name, func(t *testing.T) { s.play(t, results) }})
		}
	}
	t.Run("scenarios", func(t *testing.T) { together(t, worldsAtOnce, plays) })
}

// playSequences plays random sequences, a few at a time, until the time is over.
func playSequences(t *testing.T, seed uint64, end time.Time, results *tally) {
	seeds := rand.New(rand.NewPCG(seed, 0))
	for n := 1; time.Now().Before(end); n += sequencesAtOnce {
		var plays []play
		for i := range sequencesAtOnce {
			source := rand.New(rand.NewPCG(seeds.Uint64(), seeds.Uint64()))
			plays = append(plays, play{fmt.Sprintf("sequence %d", n+i), func(t *testing.T) { playSequence(t, source, results) }})
		}
		together(t, sequencesAtOnce, plays)
	}
}

// play is a subtest.
type play struct {
	name string
	run  func(*testing.T)
}

// together runs subtests, so many at a time. They mostly wait, so that it is not for the machine's number of processors to
// say how many, as it is with t.Parallel.
func together(t *testing.T, atOnce int, plays []play) {
	t.Helper()
	var running sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, p := range plays {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			t.Run(p.name, p.run)
		})
	}
	running.Wait()
}

// seedOf reads a seed, or makes one.
func seedOf(given string) (uint64, error) {
	if given == "" {
		return rand.Uint64(), nil
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("TORTURE_SEED=%q is no number from 0", given)
	}
	return seed, nil
}
