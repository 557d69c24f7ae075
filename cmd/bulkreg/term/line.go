package term

import (
	"fmt"
	"io"
)

// Line is the last line on a terminal, which is drawn over as what it says changes.
type Line struct {
	out   io.Writer
	drawn string // what stands there now
	used  bool
}

// NewLine makes a line that is not drawn yet.
func NewLine(out io.Writer) *Line { return &Line{out: out} }

const (
	toStart   = "\r"
	clearRest = "\x1b[K"
)

// Draw shows text, which has to be narrower than the terminal, in one write: half a line is never seen. What stands there already
// is not drawn again. Errors are passed over: a terminal that cannot be written to has nobody before it.
func (l *Line) Draw(text string) {
	if l.used && text == l.drawn {
		return
	}
	l.drawn, l.used = text, true
	fmt.Fprint(l.out, toStart+text+clearRest)
}

// Above prints a line of its own, which stays, where the line stood. The next Draw shows it anew below.
func (l *Line) Above(text string) {
	if l.drawn != "" {
		text = toStart + clearRest + text
		l.drawn = ""
	}
	fmt.Fprintln(l.out, text)
}

// Clear takes the line away.
func (l *Line) Clear() {
	if l.drawn != "" {
		fmt.Fprint(l.out, toStart+clearRest)
		l.drawn = ""
	}
}

// End leaves the line as it is, and the cursor on the next one.
func (l *Line) End() {
	if l.drawn != "" {
		fmt.Fprintln(l.out)
		l.drawn = ""
	}
}
