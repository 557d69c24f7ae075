package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	xterm "golang.org/x/term"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// lineEvery is how often a line is printed at most where there is no terminal.
const lineEvery = 2 * time.Second

// progress shows how an order comes along: on a line that is drawn over on a terminal, as lines elsewhere.
type progress struct {
	out       io.Writer
	reference string
	clock     func() time.Time
	width     func() int // of the terminal, in columns; nil: out is asked
	speed     speed

	drawn *term.Line // nil: lines
	style barStyle

	shown   string // what the last line said
	shownAt time.Time
}

// barStyle says whether there is a bar, and what it looks like.
type barStyle string

const (
	noBar       barStyle = "none"
	plainBar    barStyle = "plain"
	colorfulBar barStyle = "colorful"
)

func (a *app) newProgress(reference string) *progress {
	return &progress{out: a.stderr, reference: reference, clock: time.Now, style: a.barStyle()}
}

// barStyle is what the terminal can show, and whoever sits there wants.
func (a *app) barStyle() barStyle {
	switch {
	case !isTerminal(a.stderr), a.variable("TERM") == "dumb":
		return noBar
	case a.variable("NO_COLOR") != "":
		return plainBar
	}
	return colorfulBar
}

// variable is an environment variable; "" where it is not set.
func (a *app) variable(name string) string {
	value := ""
	for _, entry := range a.environ {
		if found, ok := strings.CutPrefix(entry, name+"="); ok {
			value = found // the last one counts, as in a shell
		}
	}
	return value
}

// show takes in how the order stands now.
func (p *progress) show(s record.Summary) {
	now := p.clock()
	p.speed.add(now, settledJobs(s))
	if p.style == noBar {
		p.line(now, s)
		return
	}
	if s.Total == 0 {
		return // a bar of nothing has no length
	}
	if p.drawn == nil {
		p.drawn = term.NewLine(p.out)
	}
	p.drawn.Draw(p.drawing(s, p.columns()))
}

// note prints a line beside the progress, which is drawn anew below it.
func (p *progress) note(text string) {
	text = term.Clean(text)
	if p.drawn != nil {
		p.drawn.Above(text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// Write prints lines beside the progress.
func (p *progress) Write(text []byte) (int, error) {
	p.note(strings.TrimSuffix(string(text), "\n"))
	return len(text), nil
}

// end leaves the cursor on a line of its own.
func (p *progress) end() {
	if p.drawn != nil {
		p.drawn.End()
	}
}

const (
	// besidesBar is what stands beside a bar and before the text, in columns: the percentage and the spaces.
	besidesBar = len(" 100%  ")
	// barStep is how much a bar grows and shrinks, so that it does not change its length with each digit.
	barStep = 10
	barMost = 30
	// barColumns is how long a line has to be for a bar. In a shorter one it would come and go as the counts grow.
	barColumns = 50
)

// barOf is a bar and a percentage in a number of columns; "" where there is no room for one that says something.
func barOf(done, total, columns int, style barStyle) string {
	length := min((columns-besidesBar)/barStep*barStep, barMost)
	if length < barStep {
		return ""
	}
	full := int(int64(length) * int64(done) / int64(total))
	bar := strings.Repeat("█", full)
	if style == colorfulBar {
		bar = "\x1b[32m" + bar + "\x1b[0m"
	}
	return fmt.Sprintf("%s%s %3d%%  ", bar, strings.Repeat("░", length-full), int64(done)*100/int64(total))
}

// line prints a line, unless nothing has changed since the last one, or that was just now. The first and the last
// one are always printed.
func (p *progress) line(now time.Time, s record.Summary) {
	said := standing(s) + fmt.Sprint(s.Calls, s.Total)
	due := p.shownAt.IsZero() || now.Sub(p.shownAt) >= lineEvery || s.Settled()
	if !due || said == p.shown {
		return
	}
	p.shown, p.shownAt = said, now
	fmt.Fprintf(p.out, "%s: %s\n", term.Clean(p.reference), p.text(s))
}

// usualColumns is how wide a terminal is taken for that does not say it.
const usualColumns = 80

// columns is how long a line may be. The last column stays free: some terminals begin a new line once it is written to.
func (p *progress) columns() int {
	width := p.width
	if width == nil {
		width = func() int { return columnsOf(p.out) }
	}
	return lineColumns(width())
}

// lineColumns is how long a line may be on a terminal of a width; 0 where that is not known.
func lineColumns(width int) int {
	if width <= 0 {
		width = usualColumns
	}
	return max(width-1, 1)
}

// columnsOf is how wide a terminal is; 0 where nobody can say.
func columnsOf(stream any) int {
	file, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := xterm.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// fit cuts a text to a number of columns: a line that wraps is not drawn over, but again and again.
func fit(text string, columns int) string { return term.Fit(text, columns) }

// text says in one line how the order stands, how fast it goes and how long it will take. What matters most stands first.
func (p *progress) text(s record.Summary) string {
	return progressText(s, append(p.pace(s), term.Counted(s.Calls, "call", "calls")), "on hold (`bulkreg holds` tells why)")
}

// drawing is a line for a number of columns. What matters least is left out until it fits: the bar, the calls, then how fast it
// goes. The counts are cut only where they do not fit alone.
func (p *progress) drawing(s record.Summary, columns int) string {
	paced, short := progressText(s, p.pace(s), "on hold"), progressText(s, nil, "on hold")
	for _, form := range []struct {
		text   string
		barred bool
	}{{p.text(s), true}, {p.text(s), false}, {paced, true}, {paced, false}, {short, true}} {
		room, bar := columns-term.Width(form.text), ""
		if form.barred && columns >= barColumns {
			bar = barOf(settledJobs(s), s.Total, room, p.style)
		}
		if room >= 0 && (bar != "") == form.barred {
			return bar + form.text
		}
	}
	return fit(short, columns)
}

// pace is how fast an order goes and how long it will take; nothing where that is not known.
func (p *progress) pace(s record.Summary) []string {
	rate := p.speed.rate()
	if rate <= 0 || s.Settled() {
		return nil
	}
	return []string{rateText(rate), leftText(float64(s.Total-settledJobs(s)) / rate)}
}

func progressText(s record.Summary, extra []string, onHold string) string {
	parts := append([]string{term.Thousands(settledJobs(s)) + "/" + term.Thousands(s.Total)}, extra...)
	if s.Counts[record.Held] > 0 {
		parts = append(parts, onHold)
	}
	if all := standing(s); all != "" {
		parts = append(parts, all)
	}
	return strings.Join(parts, ", ")
}

// settledJobs is how many jobs of an order will not change by themselves any more.
func settledJobs(s record.Summary) int {
	return s.Counts[record.Succeeded] + s.Counts[record.Failed] + s.Counts[record.Canceled] + s.Counts[record.Unconfirmed]
}

func rateText(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return term.Thousands(int(perSecond+0.5)) + "/s"
}

// leftText rounds a time for people: nobody can foretell it to the second.
func leftText(seconds float64) string {
	const longest = 100 * 24 * time.Hour
	if seconds > longest.Seconds() {
		return "more than 100 days left"
	}
	left := time.Duration(seconds * float64(time.Second))
	switch {
	case left < time.Minute:
		return fmt.Sprintf("%ds left", int(left.Seconds()+0.5))
	case left < time.Hour:
		return fmt.Sprintf("%dm%02ds left", int(left.Minutes()), int(left.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%02dm left", int(left.Hours()), int(left.Minutes())%60)
	}
}

// speed reckons how fast jobs are settled, from what was seen in the last while.
type speed struct{ samples []sample }

type sample struct {
	at      time.Time
	settled int
}

// speedWindow is how far back a speed looks. It is seen at most every firstLook, which bounds its samples.
const speedWindow = 10 * time.Second

func (s *speed) add(at time.Time, settled int) {
	s.samples = append(s.samples, sample{at, settled})
	for len(s.samples) > 2 && at.Sub(s.samples[1].at) >= speedWindow {
		s.samples = s.samples[1:]
	}
}

// rate is in jobs a second; 0 while there is nothing to reckon from.
func (s *speed) rate() float64 {
	if len(s.samples) < 2 {
		return 0
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	passed := last.at.Sub(first.at).Seconds()
	if passed <= 0 {
		return 0
	}
	return float64(last.settled-first.settled) / passed
}
