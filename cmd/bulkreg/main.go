// Command bulkreg registers domains in bulk: it accepts orders, works on them, and says what happened to every
// single domain. Its files hold one command each, wiring and printing and no logic.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// secondSignal is how long after the first signal a second one counts.
const secondSignal = time.Second

// What the linker sets: the version, and the commit that it was built from with its time, as 2026-11-27T04:03:00Z.
var (
	version            = "devel"
	commit, commitTime string
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	// A second signal ends the process at once: whatever it was doing, the leases decide. Not one that comes right
	// after the first, though: timeout(1) and some supervisors signal the process and then its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(secondSignal, stop) })
	redis.SetLogger(quiet{})
	log.SetOutput(io.Discard) // net/http quotes there what a reply is too long by: it may be anybody's details
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(report(os.Stderr, err))
}

// endings are the signals that end a command in good order. A hangup is one of them, unless whoever started us wants it ignored, as
// nohup does: asking for it would undo that.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// quiet keeps the Redis client from writing past our log. What it has to say comes back as errors, too.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
