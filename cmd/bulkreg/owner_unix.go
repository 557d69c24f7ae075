//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// ownAlone says whether a file is this user's, and has one name only: under another one, somebody else may have it in reach.
func ownAlone(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && stat.Nlink == 1
}
