package queue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue"
)

func TestAllowStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ words, want []string }{
		{nil, nil},
		{[]string{}, nil},
		{[]string{" Premium", "reserved", "PREMIUM", "pending delete"}, []string{"pending delete", "premium", "reserved"}},
	} {
		got, err := queue.AllowStatus(tt.words)
		if err != nil || !slices.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%q: %q, %v", tt.words, got, err)
		}
	}
	var many []string
	for i := range queue.MaxAllowStatus + 1 {
		many = append(many, fmt.Sprint("w", i))
	}
	if _, err := queue.AllowStatus(many[1:]); err != nil {
		t.Errorf("%d words: %v", queue.MaxAllowStatus, err)
	}
	for reason, words := range map[string][]string{
		"is empty":                 {"premium", " "},
		"longer than 64":           {strings.Repeat("x", 65)},
		"cannot be printed":        {"a\x00b"},
		"a comma":                  {"premium,reserved"},
		"has 17 words, at most 16": many,
	} {
		if got, err := queue.AllowStatus(words); err == nil || !strings.Contains(err.Error(), reason) || got != nil {
			t.Errorf("%q: %q, %v, want %q", words, got, err, reason)
		}
	}
}
