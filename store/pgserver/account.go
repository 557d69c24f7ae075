package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system user that Postgres runs as. Postgres refuses to run as root.
type account struct {
	name       string
	credential *syscall.Credential // nil: the user of this program
}

func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	var errs []error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			errs = append(errs, err)
			continue
		}
		return account{name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, fmt.Errorf("postgres cannot run as root, and no other user was found: %w", errors.Join(errs...))
}

// maxSocketDir leaves room for the names below it: the path of a Unix socket ends at 103 bytes on macOS and at
// 107 on Linux.
const maxSocketDir = 60

// makeTempDir makes a folder that belongs to the account, in a place that the account can reach.
func (a account) makeTempDir(inMemory bool) (string, error) {
	var errs []error
	bases := []string{os.TempDir(), "/tmp", "/var/tmp"}
	if folder := memoryFolder(); inMemory && folder != "" {
		bases = append([]string{folder}, bases...)
	}
	for _, base := range bases {
		if len(base) > maxSocketDir {
			errs = append(errs, fmt.Errorf("the path %s is too long for a Unix socket in it", base))
			continue
		}
		if err := a.canEnter(base); err != nil {
			errs = append(errs, err)
			continue
		}
		dir, err := os.MkdirTemp(base, "bulkreg-pg-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := a.own(dir); err != nil {
			return "", errors.Join(err, os.Remove(dir))
		}
		return dir, nil
	}
	return "", fmt.Errorf("make temporary directory: %w", errors.Join(errs...))
}

// makeDataDir makes the folder around the cluster. The account needs to enter it, not to write to it.
func (a account) makeDataDir(dir string) error {
	mode := os.FileMode(0o700)
	if a.credential != nil {
		mode = 0o755
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := a.canEnter(dir); err != nil {
		return fmt.Errorf("use data directory: %w", err)
	}
	return nil
}

func (a account) makeOwnDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return a.own(dir)
}

// writeFile makes a file that only the account (and root) can read.
func (a account) writeFile(path, content string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil && a.credential != nil {
		err = f.Chown(int(a.credential.Uid), int(a.credential.Gid))
	}
	return errors.Join(err, f.Close())
}

func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// canEnter reports the first folder on the way to dir that is closed to the account.
func (a account) canEnter(dir string) error {
	if a.credential == nil {
		return nil
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("user %s, who runs Postgres when this program runs as root, cannot enter %s (mode %v); "+
				"choose a directory outside of it, or run as another user", a.name, dir, info.Mode())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a account) mayEnter(info os.FileInfo) bool {
	mode := info.Mode().Perm()
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case owner.Uid == a.credential.Uid:
			return mode&0o100 != 0
		case owner.Gid == a.credential.Gid:
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}
