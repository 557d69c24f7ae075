package spelling

import (
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	t.Parallel()
	known := []string{"domain", "holder_id", "period", "nameservers", "city", "zip"}
	for word, want := range map[string]string{
		"peroid": "period", "perod": "period", "nameserver": "nameservers", "holderid": "holder_id", "cty": "city", "ctiy": "city",
		"period": "period", "note": "", "id": "", "": "", "pip": "zip", "price": "", "zeropriod": "",
	} {
		if got := Closest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	if got := Closest(strings.Repeat("x", 10_000), known); got != "" {
		t.Errorf("a long word: %q", got)
	}
	if got := Closest("aab", []string{"aac", "aad"}); got != "aac" {
		t.Errorf("of two as close: %q", got)
	}
}

// A distance is the same in both directions, and at most one letter away where one letter was changed.
func FuzzClosest(f *testing.F) {
	f.Add("period", 3, "x")
	f.Add("nameservers", 0, "")
	f.Fuzz(func(t *testing.T, word string, at int, put string) {
		if len(word) < 3 || len(word) > 100 || at < 0 || at >= len(word) || len(put) > 1 {
			return
		}
		slipped := word[:at] + put + word[at+1:]
		if d := distance(word, slipped); d > 1 || d != distance(slipped, word) {
			t.Errorf("%q and %q: %d", word, slipped, d)
		}
		if len(slipped) >= 3 && Closest(slipped, []string{word}) != word {
			t.Errorf("%q is not taken for %q", slipped, word)
		}
	})
}
