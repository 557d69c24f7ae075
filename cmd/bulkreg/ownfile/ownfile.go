// Package ownfile opens files on ways that nobody else can bend. Whoever may write into a folder on the way, such as /tmp, may put a
// symbolic link there, and so decide which file is read, or where what names people is written.
//
// Links of root and of this user are followed, wherever they lead: /tmp itself is one on some systems, and a secret that Kubernetes
// mounts lies behind one. The package must never follow somebody else's, and never wait for what is no regular file.
package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// LinkError says that a link of somebody else's is on the way to a file.
type LinkError struct{ Path string }

func (e *LinkError) Error() string {
	return "a symbolic link of somebody else's is on the way, and is not followed: " + e.Path
}

// Way is whose links are followed on the way to a file.
type Way int

// The ways.
const (
	// ToRead follows links of root, of this user, and of whoever alone may write into the folder that the link is in. The last
	// part of the path may be one.
	ToRead Way = iota
	// ToWrite follows links of root and of this user, and none that is the last part of the path.
	ToWrite
)

// maxLinks is how many links are followed: those that lead to themselves never end.
const maxLinks = 40

// Resolve is the path of a file without any links but, in the case of ToWrite, the last one, which is left to the caller. Nothing needs
// to stand there yet. Its error is a *LinkError or an *fs.PathError.
func Resolve(path string, way Way) (string, error) {
	if path == "" {
		return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
	}
	rest := strings.Split(filepath.ToSlash(path), "/")
	at := "/"
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return "", fmt.Errorf("find working folder: %w", err)
		}
		rest = append(strings.Split(here, "/"), rest...)
	}
	links := 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist) && isLast(rest):
			return next, nil
		case err != nil:
			return "", &fs.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
		case info.Mode()&fs.ModeSymlink == 0, way == ToWrite && isLast(rest):
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		target, err := follow(at, next, info, way)
		if err != nil {
			return "", err
		}
		if isKernels(at) { // what it says is no path at times: the kernel itself knows where it leads
			return filepath.Join(append([]string{next}, rest...)...), nil
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, nil
}

// isLast reports that nothing of a path is left.
func isLast(rest []string) bool {
	return !slices.ContainsFunc(rest, func(name string) bool { return name != "" && name != "." })
}

// follow reads a link in a folder, if it may be followed.
func follow(folder, link string, info fs.FileInfo, way Way) (string, error) {
	in, err := os.Lstat(folder)
	if err != nil {
		return "", err
	}
	if !mayFollow(in, info, way) {
		return "", &LinkError{link}
	}
	return os.Readlink(link)
}

// isKernels reports that a folder is one of those in which the kernel shows processes.
func isKernels(folder string) bool { return folder == "/proc" || strings.HasPrefix(folder, "/proc/") }

// Open opens a path that Resolve has made, and waits for nothing. Between the two nobody can put a link there, where the system can
// see to that.
func Open(resolved string, flags int, mode fs.FileMode) (*os.File, error) {
	flags |= nonBlocking
	if isKernels(filepath.Dir(resolved)) {
		return os.OpenFile(resolved, flags, mode)
	}
	return openWithoutLinks(resolved, flags, mode)
}
