package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/bulkreg/bulkreg/store"
)

// lineEvery is how often a line is printed at most where there is no terminal.
const lineEvery = 2 * time.Second

// progress shows how an order comes along: as a bar on a terminal, as lines elsewhere.
type progress struct {
	out       io.Writer
	reference string
	clock     func() time.Time
	speed     speed

	bar   *progressbar.ProgressBar // nil: lines
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
	style := colorfulBar
	switch {
	case !isTerminal(a.stderr), a.variable("TERM") == "dumb":
		style = noBar
	case a.variable("NO_COLOR") != "":
		style = plainBar
	}
	return &progress{out: a.stderr, reference: reference, clock: time.Now, style: style}
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
func (p *progress) show(s store.Summary) {
	now := p.clock()
	settled := settledJobs(s)
	p.speed.add(now, settled)
	if p.style == noBar {
		p.line(now, s)
		return
	}
	if s.Total == 0 {
		return // a bar of nothing has no length
	}
	if p.bar == nil {
		p.bar = p.newBar(s.Total)
	}
	if p.bar.GetMax() != s.Total { // it grows while a producer still adds to it
		p.bar.ChangeMax(s.Total)
	}
	// The text first: a full bar is drawn for the last time. A terminal that cannot be written to has nobody before it.
	p.bar.Describe(fit(p.text(s), p.columns()))
	p.bar.Set(settled) //nolint:errcheck // see above
}

// note prints a line beside the progress. A bar is drawn anew below it.
func (p *progress) note(text string) {
	if p.bar != nil {
		p.bar.Clear() //nolint:errcheck // a terminal that cannot be written to has nobody before it
	}
	fmt.Fprintln(p.out, text)
}

// end leaves the cursor on a line of its own.
func (p *progress) end() {
	if p.bar != nil {
		fmt.Fprintln(p.out)
	}
}

func (p *progress) newBar(total int) *progressbar.ProgressBar {
	theme := progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}
	if p.style == colorfulBar {
		theme.BarStart, theme.BarEnd = "[green]", "[reset]"
	}
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionEnableColorCodes(p.style == colorfulBar),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(false), // it reckons from the start, as if nothing had been done before
		progressbar.OptionShowDescriptionAtLineEnd(),
	)
}

// line prints a line, unless nothing has changed since the last one, or that was just now. The first and the last
// one are always printed.
func (p *progress) line(now time.Time, s store.Summary) {
	said := standing(s) + fmt.Sprint(s.Calls, s.Total)
	due := p.shownAt.IsZero() || now.Sub(p.shownAt) >= lineEvery || s.Settled()
	if !due || said == p.shown {
		return
	}
	p.shown, p.shownAt = said, now
	fmt.Fprintf(p.out, "%s: %s\n", p.reference, p.text(s))
}

// besidesText is what a bar takes of a line at least, in columns: the percentage and the spaces.
const besidesText = 10

// columns is how long a text beside the bar may be; 0 where nobody can say.
func (p *progress) columns() int {
	file, ok := p.out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return max(width-besidesText, 1)
}

// fit cuts a text to a number of columns: a line that wraps is not drawn over, but again and again.
func fit(text string, columns int) string {
	if runes := []rune(text); columns > 0 && len(runes) > columns {
		return string(runes[:columns-1]) + "…"
	}
	return text
}

// text says in one line how the order stands, how fast it goes and how long it will take. What matters most stands first.
func (p *progress) text(s store.Summary) string {
	settled := settledJobs(s)
	parts := []string{thousands(settled) + "/" + thousands(s.Total)}
	if rate := p.speed.rate(); rate > 0 && !s.Settled() {
		parts = append(parts, rateText(rate), leftText(float64(s.Total-settled)/rate))
	}
	parts = append(parts, counted(s.Calls, "call", "calls"))
	if s.Counts[store.Held] > 0 {
		parts = append(parts, "on hold (`bulkreg holds` tells why)")
	}
	if all := standing(s); all != "" {
		parts = append(parts, all)
	}
	return strings.Join(parts, ", ")
}

// settledJobs is how many jobs of an order will not change by themselves any more.
func settledJobs(s store.Summary) int {
	return s.Counts[store.Succeeded] + s.Counts[store.Failed] + s.Counts[store.Canceled] + s.Counts[store.Unconfirmed]
}

func rateText(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return thousands(int(perSecond+0.5)) + "/s"
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
