//go:build unix

package ownfile

import (
	"io/fs"
	"os"
	"syscall"
)

const nonBlocking = syscall.O_NONBLOCK

// mayFollow reports whether a link in a folder may be followed.
func mayFollow(folder, link fs.FileInfo, way Way) bool {
	const byOthers = 0o022
	owner, known := ownerOf(link)
	if !known {
		return false
	}
	if owner == 0 || owner == os.Geteuid() {
		return true
	}
	of, known := ownerOf(folder)
	return way == ToRead && known && owner == of && folder.Mode().Perm()&byOthers == 0
}

func ownerOf(info fs.FileInfo) (int, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
