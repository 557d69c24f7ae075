//go:build unix

package ownfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"
)

// must fails a test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// real is a new folder, by its path without links.
func real(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	return dir
}

func TestResolveFollowsOwnLinks(t *testing.T) {
	t.Parallel()
	dir := real(t)
	must(t, os.MkdirAll(filepath.Join(dir, "real/..2026"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "real/..2026/secret"), []byte("x"), 0o600))
	// As Kubernetes mounts a secret, and as some systems have /tmp.
	must(t, os.Symlink("..2026", filepath.Join(dir, "real/..data")))
	must(t, os.Symlink("..data/secret", filepath.Join(dir, "real/secret")))
	must(t, os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "whole")))
	must(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	secret := filepath.Join(dir, "real/..2026/secret")
	for _, tt := range []struct {
		path string
		way  ownfile.Way
		want string
		err  error
	}{
		{"real/secret", ownfile.ToRead, secret, nil},
		{"whole/secret", ownfile.ToRead, secret, nil},
		{"whole/..data/../..data/./secret", ownfile.ToRead, secret, nil},
		{"whole//new", ownfile.ToWrite, filepath.Join(dir, "real/new"), nil},
		{"whole/...", ownfile.ToWrite, filepath.Join(dir, "real/..."), nil},
		{"whole/../real/new", ownfile.ToWrite, filepath.Join(dir, "real/new"), nil},
		{"whole/secret", ownfile.ToWrite, filepath.Join(dir, "real/secret"), nil}, // the link itself
		{"none/new", ownfile.ToWrite, "", fs.ErrNotExist},
		{"loop", ownfile.ToRead, "", syscall.ELOOP},
		{"loop/new", ownfile.ToWrite, "", syscall.ELOOP},
	} {
		got, err := ownfile.Resolve(dir+"/"+tt.path, tt.way)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s is %s, %v; want %s, %v", tt.path, got, err, tt.want, tt.err)
		}
	}
	here, err := os.Getwd()
	must(t, err)
	if here, err = filepath.EvalSymlinks(here); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"x", "./x", "../ownfile/x"} {
		if got, err := ownfile.Resolve(path, ownfile.ToWrite); err != nil || got != filepath.Join(here, "x") {
			t.Errorf("%s is %s, %v", path, got, err)
		}
	}
	if _, err := ownfile.Resolve("", ownfile.ToRead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no path: %v", err)
	}
}

func TestResolveFollowsNobodyElsesLinks(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a link to somebody else")
	}
	dir := real(t)
	const mallory, deployer = 12345, 12346
	must(t, os.Chmod(dir, 0o777|os.ModeSticky)) // as /tmp
	for _, name := range []string{"out", "releases", "releases/1"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	must(t, os.Symlink(filepath.Join(dir, "out"), filepath.Join(dir, "theirs")))
	must(t, os.Lchown(filepath.Join(dir, "theirs"), mallory, mallory))
	must(t, os.Symlink("theirs", filepath.Join(dir, "ours")))
	must(t, os.Symlink("1", filepath.Join(dir, "releases/current")))
	must(t, os.Lchown(filepath.Join(dir, "releases/current"), deployer, deployer))
	must(t, os.Chown(filepath.Join(dir, "releases"), deployer, deployer))
	for path, follows := range map[string][2]bool{ // to read, to write
		"theirs/f": {false, false}, "theirs": {false, true}, "ours/f": {false, false}, "releases/../theirs/f": {false, false},
		"releases/current/f": {true, false}, // in a folder that only they may write
	} {
		for way, want := range map[ownfile.Way]bool{ownfile.ToRead: follows[0], ownfile.ToWrite: follows[1]} {
			_, err := ownfile.Resolve(filepath.Clean(dir)+"/"+path, way)
			if of := (*ownfile.LinkError)(nil); errors.As(err, &of) == want || !want && of == nil {
				t.Errorf("%s, way %d: %v", path, way, err)
			}
		}
	}
	must(t, os.Chmod(filepath.Join(dir, "releases"), 0o775))
	if _, err := ownfile.Resolve(dir+"/releases/current/f", ownfile.ToRead); err == nil {
		t.Error("a link in a folder that others may write into is followed")
	}
}

// A link that is put there after the path was resolved is not followed.
func TestOpenFollowsNoLink(t *testing.T) {
	t.Parallel()
	dir := real(t)
	must(t, os.MkdirAll(filepath.Join(dir, "way"), 0o755))
	must(t, os.MkdirAll(filepath.Join(dir, "elsewhere"), 0o755))
	resolved, err := ownfile.Resolve(dir+"/way/new", ownfile.ToWrite)
	must(t, err)
	must(t, os.Remove(filepath.Join(dir, "way")))
	must(t, os.Symlink("elsewhere", filepath.Join(dir, "way")))
	if file, err := ownfile.Open(resolved, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		must(t, file.Close())
		if _, err := os.Stat("/proc/self"); err == nil {
			t.Error("a link was followed that came in between")
		}
	}
	plain, err := ownfile.Resolve(dir+"/elsewhere/new", ownfile.ToWrite)
	must(t, err)
	file, err := ownfile.Open(plain, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	must(t, err)
	info, err := file.Stat()
	must(t, errors.Join(err, file.Close()))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("it has mode %v", info.Mode())
	}
}

// A file that is open already is known to the kernel alone: its path may be gone.
func TestOpenOfOpenFiles(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("no /proc here")
	}
	file, err := os.Create(filepath.Join(real(t), "x"))
	must(t, err)
	defer file.Close()
	must(t, os.Remove(file.Name()))
	resolved, err := ownfile.Resolve("/proc/self/fd/"+strconv.Itoa(int(file.Fd())), ownfile.ToRead)
	must(t, err)
	again, err := ownfile.Open(resolved, os.O_RDONLY, 0)
	must(t, err)
	must(t, again.Close())
}
