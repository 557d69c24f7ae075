package queue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds of the words that a registration allows.
const (
	MaxAllowStatus     = 16
	maxAllowStatusWord = 64
)

// AllowStatus brings into their normal form the words of a WHOIS status ("premium", "reserved") with which a domain may be
// registered although they stand beside available: trimmed, in lower case, sorted, each once. None is nil. What the words
// mean is for the worker to know.
func AllowStatus(words []string) ([]string, error) {
	var normal []string
	for _, word := range words {
		word = strings.ToLower(strings.TrimSpace(word))
		if err := CheckName(word, maxAllowStatusWord); err != nil {
			return nil, fmt.Errorf("has a word that %w", err)
		}
		if strings.ContainsAny(word, ",;|") {
			return nil, errors.New("has a word with a comma, a semicolon or a bar in it")
		}
		normal = append(normal, word)
	}
	slices.Sort(normal)
	normal = slices.Compact(normal)
	if len(normal) > MaxAllowStatus {
		return nil, fmt.Errorf("has %d words, at most %d", len(normal), MaxAllowStatus)
	}
	return normal, nil
}
