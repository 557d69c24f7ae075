package main

import (
	"io"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// manyJobs is how many jobs are changed before anybody gets impatient.
const manyJobs = 10_000

// counting shows how far something has come that goes through very many jobs: on a line that is drawn over on a terminal, as lines
// elsewhere. It shows nothing of what is soon done.
type counting struct {
	out   io.Writer
	what  string
	total int // 0: nobody knows it beforehand
	unit  string
	few   int // nothing is shown of so many
	clock func() time.Time
	style barStyle
	width func() int // of the terminal, in columns

	drawn   *term.Line
	shownAt time.Time
}

// startCounting shows that something begins.
func (a *app) startCounting(what string, total int) *counting {
	c := a.newCounting(what, "jobs", total)
	c.show(0)
	return c
}

// startReading shows how far something is read that is as long as it is.
func (a *app) startReading(unit string) *counting { return a.newCounting("reading", unit, 0) }

// startChecking shows how many of few things are checked, each of which may take long. Their number is told with the first.
func (a *app) startChecking(unit string) *counting {
	c := a.newCounting("checking", unit, 0)
	c.few = 0
	return c
}

func (a *app) newCounting(what, unit string, total int) *counting {
	return &counting{
		out: a.stderr, what: what, total: total, unit: unit, few: manyJobs, clock: time.Now, style: a.barStyle(),
		width: func() int { return columnsOf(a.stderr) }, drawn: term.NewLine(a.stderr),
	}
}

// show takes in how many jobs are done with.
func (c *counting) show(done int) {
	text := c.what + ": " + term.Thousands(done)
	switch {
	case c.total == 0 && done <= c.few, c.total > 0 && c.total <= c.few:
		return
	case c.total == 0:
		text += " " + c.unit
	default:
		text += "/" + term.Thousands(c.total) + " " + c.unit
	}
	if c.style != noBar && c.total == 0 {
		c.drawn.Draw(fit(text, lineColumns(c.width())))
		return
	}
	if c.style != noBar {
		columns := lineColumns(c.width())
		c.drawn.Draw(barOf(done, c.total, columns-term.Width(text), c.style) + fit(text, columns))
		return
	}
	now := c.clock()
	if (done < c.total || c.total == 0) && !c.shownAt.IsZero() && now.Sub(c.shownAt) < lineEvery {
		return
	}
	c.shownAt = now
	say(c.out, "%s\n", text)
}

// end takes the line away: what it led to is printed in its place.
func (c *counting) end() { c.drawn.Clear() }
