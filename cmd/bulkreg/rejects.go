package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/bulkreg/bulkreg/queue/intake/input"
)

// shownRejects is how many invalid lines are printed; the others are counted.
const shownRejects = 20

// rejects reports the lines of an order that cannot be used: the first ones to people, all of them to a file if one
// was asked for.
type rejects struct {
	shown io.Writer
	count int
	in    *orderInput
	path  string // of the file, "" for none

	file   *os.File // nil until the first line
	buffer *bufio.Writer
	writer *input.RejectsWriter
}

// newRejects writes to a file at path, "" for none. One that holds anything is refused: it may be the rejects of an
// earlier run, half mended.
func newRejects(shown io.Writer, path string, in *orderInput) (*rejects, error) {
	r := &rejects{shown: shown, in: in, path: path}
	if path == "" {
		return r, nil
	}
	if in.isFile(path) {
		return nil, usagef("--rejects %s is the input itself: give another file; nothing was stored", path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, usagef("--rejects: %w", err)
	}
	return r, refuseRejects(path, info)
}

// refuseRejects refuses to write into a file that holds something. A pipe or a device, such as /dev/null, may.
func refuseRejects(path string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return usagef("--rejects %s is a folder: give a file; nothing was stored", path)
	case info.Mode().IsRegular() && info.Size() > 0:
		return usagef("--rejects %s is there already, and not empty: give another file, or remove that one first; nothing was stored", path)
	}
	return nil
}

// open makes the file. Rows name holders; they are nobody else's business.
func (r *rejects) open() (err error) {
	file, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return usagef("--rejects: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return usagef("--rejects: %w", err)
	}
	if err := refuseRejects(r.path, info); err != nil {
		return err // it has been written to since we looked
	}
	if info.Mode().IsRegular() {
		if err := file.Chmod(0o600); err != nil {
			return usagef("--rejects: %w", err)
		}
	}
	r.file, r.buffer = file, bufio.NewWriter(file)
	r.writer = input.NewRejectsWriter(r.buffer, r.in.reader)
	return nil
}

func (r *rejects) add(bad *input.RejectError) error {
	if r.count++; r.count <= shownRejects {
		fmt.Fprintf(r.shown, "%v\n", bad)
	}
	if r.path == "" {
		return nil
	}
	if r.file == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	return r.writer.Write(bad)
}

// end completes the report and the file.
func (r *rejects) end() error {
	if more := r.count - shownRejects; more > 0 {
		fmt.Fprintf(r.shown, "... and %s\n", counted(more, "more invalid "+r.in.unit, "more invalid "+r.in.unit+"s"))
	}
	if r.file == nil {
		return nil
	}
	if err := errors.Join(r.buffer.Flush(), r.file.Close()); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	fmt.Fprintf(r.shown, "%s written to %s, to be fixed and sent again\n", counted(r.count, "invalid "+r.in.unit, "invalid "+r.in.unit+"s"), r.path)
	return nil
}
