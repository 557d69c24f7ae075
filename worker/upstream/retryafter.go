package upstream

import (
	"net/http"
	"strings"
	"time"
)

// MaxRetryAfter caps how long an upstream can ask for patience.
const MaxRetryAfter = time.Hour

// ParseRetryAfter reads the Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date. The result
// lies between 0 and MaxRetryAfter; 0 stands for a missing, past or unreadable value.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	return ParseRetryAfterUpTo(value, now, MaxRetryAfter)
}

// ParseRetryAfterUpTo is ParseRetryAfter with another ceiling.
func ParseRetryAfterUpTo(value string, now time.Time, ceiling time.Duration) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		return secondsUpTo(value, ceiling)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), ceiling)
}

// secondsUpTo reads a string of digits of any length without overflow.
func secondsUpTo(digits string, ceiling time.Duration) time.Duration {
	var d time.Duration
	for _, c := range digits {
		d = d*10 + time.Duration(c-'0')*time.Second
		if d > ceiling {
			return ceiling
		}
	}
	return d
}
