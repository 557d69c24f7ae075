package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bulkreg/bulkreg/queue/intake/input"
)

// shownRejects is how many invalid lines are printed; the others are counted.
const shownRejects = 20

// rejects reports the lines of an order that cannot be used: the first ones to people, all of them to a file if one
// was asked for.
type rejects struct {
	shown io.Writer
	unit  string
	count int

	file   *os.File // nil: none
	buffer *bufio.Writer
	writer *input.RejectsWriter
}

// newRejects writes to the file at path, "" for none. The file is emptied at once, so that it never shows the rejects of
// an earlier run.
func newRejects(shown io.Writer, path string, in *orderInput) (*rejects, error) {
	r := &rejects{shown: shown, unit: in.unit}
	if path == "" {
		return r, nil
	}
	if in.isFile(path) {
		return nil, usagef("--rejects %s is the input itself: give another file", path)
	}
	var err error
	// Rows name holders; they are nobody else's business.
	if r.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return nil, usagef("--rejects: %w", err)
	}
	r.buffer = bufio.NewWriter(r.file)
	r.writer = input.NewRejectsWriter(r.buffer, in.reader)
	return r, nil
}

func (r *rejects) add(bad *input.RejectError) error {
	if r.count++; r.count <= shownRejects {
		fmt.Fprintf(r.shown, "%v\n", bad)
	}
	if r.writer == nil {
		return nil
	}
	return r.writer.Write(bad)
}

// end completes the report and the file.
func (r *rejects) end() error {
	if more := r.count - shownRejects; more > 0 {
		fmt.Fprintf(r.shown, "... and %s\n", counted(more, "more invalid "+r.unit, "more invalid "+r.unit+"s"))
	}
	if r.file == nil {
		return nil
	}
	if err := errors.Join(r.buffer.Flush(), r.file.Close()); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	if r.count > 0 {
		fmt.Fprintf(r.shown, "%s written to %s, to be mended and sent again\n", counted(r.count, "invalid "+r.unit, "invalid "+r.unit+"s"), r.file.Name())
	}
	return nil
}
