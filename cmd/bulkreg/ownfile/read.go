package ownfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// readTime is how long a file may make its reader wait.
const readTime = time.Second

// Read reads a file of at most so many bytes. A link is followed, unless it is somebody else's: Kubernetes' secrets are links, of root.
// What stands at its end must be a regular file: a pipe may never give anything, and a device may never end. Opening waits for nothing,
// and reading for no longer than a moment: the kernel has files that pass for regular ones and give something only when there is news,
// such as /proc/kmsg. Its errors are one line, and name the path that was given.
func Read(path string, most int) (data []byte, err error) {
	resolved, err := find(path)
	if err != nil {
		return nil, err
	}
	file, err := Open(resolved, os.O_RDONLY, 0)
	if err != nil {
		return nil, unread(path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat() // another one may stand there by now
	if err != nil {
		return nil, unread(path, err)
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	if err := file.SetReadDeadline(time.Now().Add(readTime)); err != nil && !errors.Is(err, os.ErrNoDeadline) { // most never wait
		return nil, unread(path, err)
	}
	data, err = io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes: is it the right file?", path, most)
	}
	return data, nil
}

// find is the path of a regular file without any links. Nothing is opened: that alone may change a device.
func find(path string) (string, error) {
	resolved, err := Resolve(path, ToRead)
	if err != nil {
		return "", unread(path, err)
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return "", unread(path, err)
	}
	return resolved, regular(path, info)
}

// unread says why a file cannot be opened, by the path that was given.
func unread(path string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return &fs.PathError{Op: "open", Path: path, Err: of.Err}
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// regular refuses what is no regular file.
func regular(path string, info fs.FileInfo) error {
	var what string
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&os.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&os.ModeSocket != 0:
		what = "a socket"
	case mode&os.ModeDevice != 0:
		what = "a device"
	default:
		what = "no regular file"
	}
	return fmt.Errorf("%s is %s: give a regular file", path, what)
}
