// Package term is what the command line knows of terminals: how wide a text is, which part of it is safe to show, and a line
// that is drawn over. It knows no commands.
package term

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Clean makes a text from outside safe to show in one line: control characters, among them those that begin a command to the
// terminal, and what turns the direction of writing become spaces. The joiners stay, which some scripts cannot be written without.
func Clean(text string) string {
	if plain(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if !safe(r) {
			return ' '
		}
		return r
	}, text)
}

func safe(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.IsPrint(r) || r == nonJoiner || r == joiner
}

// EscapeJSON writes what Clean would take out of a text as JSON escapes. It says the same to a program, and nothing to a terminal.
func EscapeJSON(text []byte) []byte {
	unsafe := func(r rune) bool { return r != '\n' && !safe(r) }
	if bytes.IndexFunc(text, unsafe) < 0 {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		if !unsafe(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
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

// Lines is a text whose line breaks are its own.
type Lines string

// Sprintf is fmt.Sprintf with every text among args cleaned, so that none breaks out of its line. The breaks of the format stay, and
// those of Lines.
func Sprintf(format string, args ...any) string {
	shown := make([]any, len(args))
	for i, arg := range args {
		shown[i] = arg
		switch arg := arg.(type) {
		case string:
			shown[i] = Clean(arg)
		case Lines:
			shown[i] = CleanLines(string(arg))
		case error:
			shown[i] = Clean(arg.Error())
		case fmt.Stringer:
			shown[i] = Clean(arg.String())
		}
	}
	return CleanLines(fmt.Sprintf(format, shown...))
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
