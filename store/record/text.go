package record

import (
	"unicode/utf8"
)

// maxError bounds the text that is kept with a job, a call or an attempt, in bytes.
const maxError = 500

// Clip cuts text at a rune boundary.
func Clip(text string) string {
	if len(text) <= maxError {
		return text
	}
	cut := maxError
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// OrNull makes NULL of a zero value.
func OrNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
