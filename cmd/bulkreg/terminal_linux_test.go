package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"golang.org/x/sys/unix"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// typist is a person at a terminal.
type typist struct {
	*running
	keyboard io.Writer
}

// openTerminal makes a pseudo terminal: what is written to keys is typed, and what is written to screen is read from keys.
func openTerminal(t *testing.T) (keys, screen *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	control(t, keys, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		var err error
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	screen, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	setColumns(t, screen, 120)
	return keys, screen
}

// setColumns makes a terminal so wide; 0 is one that does not say it.
func setColumns(t *testing.T, screen *os.File, columns uint16) {
	t.Helper()
	control(t, screen, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	})
}

// control works on a file without making its reads uninterruptible, as File.Fd does.
func control(t *testing.T, file *os.File, do func(fd int) error) {
	t.Helper()
	conn, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// endOfScreen is written when a command has ended, so that its screen has been read to the end.
const endOfScreen = "<end>"

// startOnTerminal runs a command with a terminal for standard input and error; stderr is what is on its screen.
func startOnTerminal(t *testing.T, environ []string, args ...string) *typist {
	t.Helper()
	return startOnTerminalOf(t, 120, environ, args...)
}

// startOnTerminalOf is startOnTerminal on one of so many columns.
func startOnTerminalOf(t *testing.T, columns uint16, environ []string, args ...string) *typist {
	t.Helper()
	keys, screen := openTerminal(t)
	setColumns(t, screen, columns)
	ctx, cancel := context.WithCancel(context.Background())
	c := &running{interrupt: cancel, ended: make(chan struct{})}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for part := make([]byte, 4096); !strings.HasSuffix(c.stderr.String(), endOfScreen); {
			n, err := keys.Read(part)
			c.stderr.Write(part[:n])
			if err != nil {
				return
			}
		}
	}()
	go func() {
		defer close(c.ended)
		c.status = report(screen, run(ctx, args, environ, screen, &c.stdout, screen))
		io.WriteString(screen, endOfScreen)
		<-shown
		keys.Close() // hangs up, which ends a read that still waits for the keyboard
		screen.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-c.ended
	})
	return &typist{running: c, keyboard: keys}
}

func (p *typist) types(t *testing.T, text string) {
	t.Helper()
	if _, err := io.Copy(p.keyboard, bytes.NewBufferString(text)); err != nil {
		t.Fatal(err)
	}
}

// Money is spent on a plain yes alone.
func TestRegisterAsks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer string // "" for Ctrl-C
		status int
		stored bool
	}{
		"yes":       {"Yes\n", exitDone, true},
		"no":        {"n\n", exitUsage, false},
		"just so":   {"\n", exitUsage, false},
		"end":       {"\x04", exitUsage, false},
		"interrupt": {"", exitInterrupted, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			file := d.file("list", "a.nl\nb.nl\n")
			p := startOnTerminal(t, d.environ, "enqueue", "register", file, "--holder", "H1", "--order", "one")
			p.stderr.await(t, "Register 2 domains? It costs money and cannot be undone. [y/N] ", p.ended)
			if !strings.Contains(p.stderr.String(), "The plan of order one") {
				t.Errorf("it asks without a plan: %s", p.stderr.String())
			}
			if tc.answer == "" {
				p.interrupt()
			} else {
				p.types(t, tc.answer)
			}
			<-p.ended
			if r := p.result(); r.status != tc.status || !tc.stored && !strings.Contains(r.stderr, "nothing was stored") {
				t.Errorf("status %d, %s", r.status, r.stderr)
			}
			if tc.stored {
				d.order("one")
			} else {
				d.empty()
			}
		})
	}
}

// A bar on a terminal, with colors or without; lines on one that can do nothing else.
func TestWatchOnTerminal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ     []string
		bar, colors bool
	}{
		"as it is":  {[]string{"TERM=xterm"}, true, true},
		"no colors": {[]string{"TERM=xterm", "NO_COLOR=1"}, true, false},
		"dumb":      {[]string{"TERM=dumb"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.must(exitDone, "enqueue", "whois", "a.nl", "b.nl", "--order", "one")
			p := startOnTerminal(t, append(d.environ, tc.environ...), "watch", "one")
			p.stderr.await(t, "0/2, 0 calls, queued 2", p.ended)
			d.work(record.Whois, fates{"a.nl": succeeds(record.Available), "b.nl": succeeds(record.Taken)})
			<-p.ended
			r := p.result()
			if r.status != exitDone || !strings.Contains(r.stderr, "2/2, 1 call, available 1, taken 1") {
				t.Errorf("status %d, %q", r.status, r.stderr)
			}
			if got := strings.Contains(r.stderr, "100%"); got != tc.bar {
				t.Errorf("bar %v in %q", got, r.stderr)
			}
			if got := strings.Contains(r.stderr, "\x1b[32m"); got != tc.colors {
				t.Errorf("colors %v in %q", got, r.stderr)
			}
			if !strings.HasPrefix(r.stdout, "Order     one\n") {
				t.Errorf("stdout %q", r.stdout)
			}
		})
	}
}

// On a terminal of any width no line wraps, none is drawn twice, and the counts are always there.
func TestWatchFitsTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, columns := range []uint16{40, 60, 80, 100, 160, 0} {
		reference, domain := fmt.Sprintf("wide-%d", columns), fmt.Sprintf("a%d.nl", columns)
		d.must(exitDone, "enqueue", "whois", domain, "--order", reference)
		p := startOnTerminalOf(t, columns, append(d.environ, "TERM=xterm", "NO_COLOR=1"), "watch", reference)
		p.stderr.await(t, "0/1, 0 calls, queued 1", p.ended)
		d.work(record.Whois, fates{domain: succeeds(record.Available)})
		<-p.ended
		r := p.result()
		most := int(columns)
		if most == 0 {
			most = usualColumns
		}
		drawn := strings.Split(strings.TrimRight(strings.TrimSuffix(r.stderr, endOfScreen), "\r\n"), "\r")[1:]
		last := ""
		for _, line := range drawn {
			line = strings.TrimSuffix(line, "\x1b[K")
			if term.Width(line) >= most || line == last {
				t.Errorf("in %d columns: %q after %q", columns, line, last)
			}
			last = line
		}
		if !strings.Contains(last, "1/1, 1 call, available 1") || strings.Contains(last, "100%") != (columns != 40) {
			t.Errorf("in %d columns it ends with %q", columns, last)
		}
	}
}
