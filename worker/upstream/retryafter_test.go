package upstream

import (
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "3600": time.Hour, "3601": time.Hour,
		"99999999999999999999999": time.Hour, "00000000000000000000007": 7 * time.Second,
		"-1": 0, "+1": 0, "1.5": 0, "soon": 0,
		"Thu, 01 Jan 2026 00:01:30 GMT":    90 * time.Second,
		"Thursday, 01-Jan-26 00:00:05 GMT": 5 * time.Second,
		"Wed, 31 Dec 2025 23:59:59 GMT":    0,
		"Fri, 01 Jan 9999 00:00:00 GMT":    time.Hour,
	} {
		if got := ParseRetryAfter(value, now); got != want {
			t.Errorf("ParseRetryAfter(%q) = %s, want %s", value, got, want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "99999999999999999999", "Thu, 01 Jan 2026 00:01:30 GMT", "-1", "１"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		if d := ParseRetryAfter(value, now); d < 0 || d > MaxRetryAfter {
			t.Errorf("ParseRetryAfter(%q) = %s", value, d)
		}
	})
}
