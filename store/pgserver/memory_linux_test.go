package pgserver

import "testing"

func TestMemoryThatMayBeUsed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"MemTotal: 9 kB\nMemAvailable:   20480 kB\n": 20 << 20, "MemTotal: 9 kB\n": 0, "MemAvailable: much\n": 0, "": 0,
	} {
		if got := available([]byte(text)); got != want {
			t.Errorf("%q: %d available, want %d", text, got, want)
		}
	}
	for text, want := range map[string]bool{"max\n": false, "2147483648\n": true, "9223372036854771712\n": false, "": false} {
		if isLimit(text) != want {
			t.Errorf("%q is a limit: %t", text, !want)
		}
	}
}
