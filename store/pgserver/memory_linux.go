package pgserver

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// sharedMemory is where Linux keeps files in memory.
const sharedMemory = "/dev/shm"

// plenty is how much memory has to be free before files of a server that is thrown away lie in it: several times what the tests of a
// package write.
const plenty = 6 << 30

// memoryFolder is a folder in memory, where there is plenty of it; "" elsewhere.
func memoryFolder() string {
	var space syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &space); err != nil || space.Bavail*uint64(space.Bsize) < plenty {
		return ""
	}
	if info, err := os.ReadFile("/proc/meminfo"); err != nil || available(info) < plenty {
		return ""
	}
	for _, limit := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := os.ReadFile(limit); err == nil && isLimit(string(text)) {
			return ""
		}
	}
	return sharedMemory
}

// available reads MemAvailable of proc_meminfo(5), in bytes; 0 where it is not told.
func available(meminfo []byte) uint64 {
	lines := bufio.NewScanner(bytes.NewReader(meminfo))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kilobytes, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 44)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}

// isLimit reports whether a limit of a control group is one that a few servers could reach: "max" is none.
func isLimit(text string) bool {
	bytes, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	return err == nil && bytes < 2*plenty
}
