//go:build crashpoints

package main

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// watchSteps makes the process do to itself, at a step, what tests want to see survived: CRASH_AT=step kills it, STOP_AT=step
// stops it, until somebody sends it SIGCONT. With step:n it is the nth time that the step is reached; after
// that, nothing more happens there.
func watchSteps(environ []string) func(worker.Step) {
	var points []*crashPoint
	for _, entry := range environ {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "CRASH_AT":
			points = append(points, newCrashPoint(value, syscall.SIGKILL))
		case "STOP_AT":
			points = append(points, newCrashPoint(value, syscall.SIGSTOP))
		}
	}
	return func(s worker.Step) {
		for _, p := range points {
			p.reached(s)
		}
	}
}

// stopTime is ample for a stop to reach the thread that asked for it: another one may take the signal, and this one would
// run on past the step for a moment.
const stopTime = 100 * time.Millisecond

type crashPoint struct {
	step   worker.Step
	signal syscall.Signal
	left   atomic.Int64 // times until it happens
}

func newCrashPoint(value string, signal syscall.Signal) *crashPoint {
	step, times, counted := strings.Cut(value, ":")
	p := &crashPoint{step: worker.Step(step), signal: signal}
	p.left.Store(1)
	if counted {
		n, err := strconv.ParseInt(times, 10, 64)
		if err != nil || n < 1 {
			panic(fmt.Sprintf("crash point %q: after the colon comes a number from 1", value))
		}
		p.left.Store(n)
	}
	return p
}

func (p *crashPoint) reached(s worker.Step) {
	if s != p.step || p.left.Add(-1) != 0 {
		return
	}
	// To the whole process, and seen by nothing in it: the kernel does it.
	if err := syscall.Kill(os.Getpid(), p.signal); err != nil {
		panic(fmt.Sprintf("send %v to this process: %v", p.signal, err))
	}
	if p.signal == syscall.SIGKILL {
		select {}
	}
	time.Sleep(stopTime)
}

// watchSending tells of registrations that are about to be written to their connection.
func watchSending(upstream worker.Upstream, reached func(worker.Step)) worker.Upstream {
	return sendingWatcher{upstream, reached}
}

type sendingWatcher struct {
	worker.Upstream
	reached func(worker.Step)
}

func (w sendingWatcher) RegisterBulk(ctx context.Context, registrations []registrar.Registration) (registrar.RegisterReply, error) {
	// A request for a token, which may come first, has a context of its own.
	return w.Upstream.RegisterBulk(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { w.reached(worker.StepSending) },
	}), registrations)
}
