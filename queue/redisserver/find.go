package redisserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrNotInstalled says that no Redis server was found. Its message names what was looked for and what to install.
var ErrNotInstalled = errors.New("no Redis server is installed")

// find prefers Redis, which Asynq is made for, to Valkey.
func find(binDir string) (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if binDir != "" {
			name = filepath.Join(binDir, name)
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	where := "on PATH"
	if binDir != "" {
		where = "in " + binDir
	}
	return "", fmt.Errorf("%w: neither redis-server nor valkey-server is %s; install it with: "+
		"apt-get install redis-server (Debian, Ubuntu), dnf install valkey (Fedora), brew install redis (Homebrew)",
		ErrNotInstalled, where)
}

// unprivileged is whom Redis runs as when this program runs as root: a Redis of root could be made to write anywhere.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("find a user for redis: %w", err)
	}
	uid, uidErr := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(nobody.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("find a user for redis: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
