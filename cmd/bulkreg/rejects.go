package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake/input"
)

// shownRejects is how many invalid lines are printed; the others are counted.
const shownRejects = 20

// standardOutput stands for it where a file may be named.
const standardOutput = "-"

// rejects reports the lines of an order that cannot be used: the first ones to people, all of them to a file if one
// was asked for.
type rejects struct {
	shown io.Writer
	count int
	in    *orderInput
	path  string // of the file, "" for none, "-" for out
	out   io.Writer
	json  bool // they are shown to programs: the order is refused for them

	file   *os.File // nil until the first line
	buffer *bufio.Writer
	writer *input.RejectsWriter
}

// newRejects writes to a file at path, "" for none. One that holds anything is refused: it may be the rejects of an
// earlier run, half fixed.
func newRejects(shown io.Writer, path string, in *orderInput) (*rejects, error) {
	r := &rejects{shown: shown, in: in, path: path}
	if path == "" || path == standardOutput {
		return r, nil
	}
	if in.isFile(path) {
		return nil, usagef("--rejects %s is the input itself: give another file; nothing was stored", path)
	}
	resolved, err := resolveRejects(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(resolved)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, usagef("--rejects: %w", err)
	}
	return r, refuseRejects(path, info)
}

// resolveRejects is the path of the file without links in its folders: they may be ours, or root's.
func resolveRejects(path string) (string, error) {
	resolved, err := ownfile.Resolve(path, ownfile.ToWrite)
	if err != nil {
		return "", usagef("--rejects: %w; nothing was stored", err)
	}
	return resolved, nil
}

// refuseRejects refuses to write into what is no file of our own, or holds something. Whoever may write into the folder may have
// put it there: a link would lead what names people to a place of his choice, a file of his is his to read, and a pipe may never
// be read. Nothing is lost in os.DevNull.
func refuseRejects(path string, info fs.FileInfo) error {
	var what string
	switch mode := info.Mode(); {
	case isDevNull(info):
		return nil
	case mode&fs.ModeSymlink != 0:
		what = "is a symbolic link, and none is followed: give the file itself"
	case mode.IsDir():
		what = "is a folder: give a file"
	case mode&fs.ModeNamedPipe != 0:
		what = "is a pipe: give a file"
	case mode&fs.ModeDevice != 0:
		what = "is a device: give a file"
	case !mode.IsRegular():
		what = "is no regular file: give one"
	case !ownAlone(info):
		what = "is somebody else's file, or has another name as well: give another one"
	case info.Size() > 0:
		what = "is there already, and not empty: give another file, or remove that one first"
	default:
		return nil
	}
	return usagef("--rejects %s %s; nothing was stored", path, what)
}

func isDevNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(null, info)
}

// open makes the file, or takes an empty one that is there. Rows name holders; they are nobody else's business.
func (r *rejects) open() (err error) {
	file, err := openRejects(r.path)
	if err != nil {
		return err
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
	if info.Mode().IsRegular() {
		if err := file.Chmod(0o600); err != nil {
			return usagef("--rejects: %w", err)
		}
	}
	r.file, r.buffer = file, bufio.NewWriter(file)
	r.writer = input.NewRejectsWriter(r.buffer, r.in.reader)
	return nil
}

// openRejects follows no link, and waits for nothing: a new file is made where nothing stands, not even a link, and what stood
// there is opened only if it is the same file still.
func openRejects(path string) (*os.File, error) {
	resolved, err := resolveRejects(path)
	if err != nil {
		return nil, err
	}
	before, err := os.Lstat(resolved)
	if errors.Is(err, fs.ErrNotExist) {
		file, err := ownfile.Open(resolved, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, usagef("--rejects: %w", err)
		}
		return file, nil
	}
	if err != nil {
		return nil, usagef("--rejects: %w", err)
	}
	if err := refuseRejects(path, before); err != nil {
		return nil, err // it has been put there, or written to, since we looked
	}
	file, err := ownfile.Open(resolved, os.O_WRONLY, 0)
	if err != nil {
		return nil, usagef("--rejects: %w", err)
	}
	after, err := file.Stat()
	switch {
	case err != nil:
		err = usagef("--rejects: %w", err)
	case !os.SameFile(before, after):
		err = usagef("--rejects %s was replaced by something else: give another file; nothing was stored", path)
	default:
		err = refuseRejects(path, after)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (r *rejects) add(bad *input.RejectError) error {
	if r.count++; r.count <= shownRejects {
		if r.json {
			rejectedJSON(r.shown, r.in.name, bad)
		} else {
			say(r.shown, "%v\n", bad)
		}
	}
	if r.path == "" {
		return nil
	}
	switch {
	case r.writer != nil:
	case r.path == standardOutput:
		r.buffer = bufio.NewWriter(r.out)
		r.writer = input.NewRejectsWriter(r.buffer, r.in.reader)
	default:
		if err := r.open(); err != nil {
			return err
		}
	}
	return r.writer.Write(bad)
}

// end completes the report and the file.
func (r *rejects) end() error {
	if more := r.count - shownRejects; more > 0 && !r.json {
		say(r.shown, "... and %s\n", term.Counted(more, "more invalid "+r.in.unit, "more invalid "+r.in.unit+"s"))
	}
	if r.writer == nil {
		return nil
	}
	err, name := r.buffer.Flush(), "standard output"
	if r.file != nil {
		err, name = errors.Join(err, r.file.Close()), r.path
	}
	if err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	say(r.shown, "%s written to %s, to be fixed and sent again\n", term.Counted(r.count, "invalid "+r.in.unit, "invalid "+r.in.unit+"s"), name)
	return nil
}
