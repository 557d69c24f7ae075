package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// canAsk says whether a person sits there: at both ends, to read the question and to type the answer.
func (a *app) canAsk() bool { return isTerminal(a.stdin) && isTerminal(a.stderr) }

// ask puts a question to a person. Only a plain yes counts as one.
func (a *app) ask(ctx context.Context, question string) (bool, error) {
	answer, err := a.answer(ctx, question+" [y/N]")
	switch strings.ToLower(answer) {
	case "y", "yes":
		return err == nil, err
	}
	return false, err
}

// answer puts a question to a person and returns the line that they type; "" where the input ends instead.
func (a *app) answer(ctx context.Context, question string) (string, error) {
	say(a.stderr, "%s ", question)
	if a.typed == nil {
		var typed io.Reader
		typed, a.typedEnds = interruptible(ctx, a.stdin)
		a.typed = bufio.NewReader(typed) // for all questions of a command: what it has read ahead answers the next one
	}
	line, err := a.typed.ReadString('\n')
	if err != nil {
		fmt.Fprintln(a.stderr) // the cursor still stands behind the question
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// endQuestions lets go of what answers are read from.
func (a *app) endQuestions() {
	if a.typedEnds != nil {
		a.typedEnds()
	}
}

// interruptible reads from r until ctx ends; reading then fails with the context's error. A read that waits for a
// terminal or a pipe cannot be broken off, so that its goroutine may outlive stop: until r gives
// something, or the process ends.
func interruptible(ctx context.Context, r io.Reader) (_ io.Reader, stop func()) {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err) //nolint:errcheck // it never fails
	}()
	unhook := context.AfterFunc(ctx, func() {
		in.CloseWithError(ctx.Err()) //nolint:errcheck // it never fails
	})
	return out, func() {
		unhook()
		out.CloseWithError(io.ErrClosedPipe) //nolint:errcheck // it never fails
	}
}

// consent asks for a yes, where there is somebody to ask.
func (a *app) consent(ctx context.Context, given bool, question string) error {
	switch {
	case given:
		return nil
	case !a.canAsk():
		return usagef("there is no terminal to ask on: add --yes to go on; nothing was changed")
	}
	yes, err := a.ask(ctx, question)
	switch {
	case ctx.Err() != nil:
		return unchanged(ctx, ctx.Err())
	case err != nil:
		return err
	case !yes:
		return usagef("nothing was changed")
	}
	return nil
}
