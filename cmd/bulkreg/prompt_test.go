package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// slowInput gives its text and then waits for ever, as a terminal does.
type slowInput struct {
	text    io.Reader
	drained chan struct{} // closed when a read waits
	closed  chan struct{}
}

func newSlowInput(text string) *slowInput {
	return &slowInput{text: strings.NewReader(text), drained: make(chan struct{}), closed: make(chan struct{})}
}

func (s *slowInput) Read(p []byte) (int, error) {
	if n, err := s.text.Read(p); err == nil {
		return n, nil
	}
	close(s.drained)
	<-s.closed
	return 0, io.EOF
}

func (s *slowInput) close() { close(s.closed) }

// startCommandFrom is startCommand with any standard input.
func startCommandFrom(t *testing.T, stdin io.Reader, environ []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &running{interrupt: cancel, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.status = report(&c.stderr, run(ctx, args, environ, stdin, &c.stdout, &c.stderr))
	}()
	t.Cleanup(func() {
		cancel()
		<-c.ended
	})
	return c
}

func TestInterruptible(t *testing.T) {
	t.Parallel()
	r, stop := interruptible(t.Context(), strings.NewReader("all of it"))
	defer stop()
	if got, err := io.ReadAll(r); string(got) != "all of it" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	typed := newSlowInput("a")
	defer typed.close()
	r, stop = interruptible(ctx, typed)
	defer stop()
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	<-typed.drained
	cancel()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
