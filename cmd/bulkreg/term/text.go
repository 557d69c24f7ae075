// Package term is what the command line knows of terminals: how wide a text is, which part of it is safe to show, and a line
// that is drawn over. It knows no commands.
package term

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// sequence matches what terminals take for a command, whole: with its end cut off, the rest would show as text. Of what
// has no end, the beginning goes.
var sequence = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]" + // CSI
	"|(?:\x1b[\\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\x07\x1b\u009c]*(?:\x07|\x1b\\\\|\u009c)" + // OSC, DCS and their like
	"|\x1b[ -/]*[0-~]")

// Clean makes a text from outside safe to show in one line: commands to the terminal are taken out, and each control character and
// what turns the direction of writing becomes a space. The joiners stay, which some scripts cannot be written without.
func Clean(text string) string {
	if plain(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		const nonJoiner, joiner = '\u200c', '\u200d'
		if unicode.IsPrint(r) || r == nonJoiner || r == joiner {
			return r
		}
		return ' '
	}, sequence.ReplaceAllString(text, ""))
}

// plain reports whether a text is printable ASCII, which is safe as it is.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// CleanLines cleans a text of several lines, which are its own.
func CleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Width is how many columns a clean text takes: wide characters take two, combining ones none.
func Width(text string) int { return uniseg.StringWidth(text) }

// Fit cuts a text to a number of columns, and never through a character; 0 leaves it whole.
func Fit(text string, columns int) string {
	if columns <= 0 || Width(text) <= columns {
		return text
	}
	var kept strings.Builder
	left := columns - 1 // for the dots
	for state := -1; text != ""; {
		var cluster string
		var width int
		cluster, text, width, state = uniseg.FirstGraphemeClusterInString(text, state)
		if width > left {
			break
		}
		left -= width
		kept.WriteString(cluster)
	}
	return kept.String() + "…"
}
