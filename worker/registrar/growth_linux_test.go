package registrar

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is how long the processor has worked for this thread.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// A hostile upstream knows the details, and makes them as hard to look for as it can: the time still grows with a text, and not
// with its square. Two lengths are compared, by the processor's time and each at its best: the machine may be busy.
func TestCleaningGrowsWithTheText(t *testing.T) {
	t.Parallel()
	s := newScrubber(testSecret)
	hidden := personalOf(hostileHolders())()
	quickest := func(text string) time.Duration {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		least := time.Duration(math.MaxInt64)
		for range 2 {
			begun := threadTime(t)
			s.clean(text, hidden)
			least = min(least, threadTime(t)-begun)
		}
		return least
	}
	const times, tooMany = 8, 24 // of the length; its square would be 64 times
	for _, part := range hostileParts() {
		short, long := quickest(strings.Repeat(part, maxRead/times/len(part))), quickest(strings.Repeat(part, maxRead/len(part)))
		if long > tooMany*short {
			t.Errorf("%q: %v for a text, and %v for one that is %d times as long", part, short, long, times)
		}
	}
}
