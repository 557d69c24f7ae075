package spill

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// It can be read again and again, whatever its size, and leaves no file behind.
func TestBuffer(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, size := range []int{0, 1, inMemory, inMemory + 1, 5 * inMemory} {
		var b Buffer
		text := strings.Repeat("x", size)
		for part := text; part != ""; {
			n := min(len(part), 1000)
			if _, err := b.Write([]byte(part[:n])); err != nil {
				t.Fatal(err)
			}
			part = part[n:]
		}
		for range 2 {
			r, err := b.Reader()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != text {
				t.Errorf("%d bytes: read %d, %v", size, len(got), err)
			}
		}
		if (b.file != nil) != (size > inMemory) {
			t.Errorf("%d bytes: in a file is %v", size, b.file != nil)
		}
		if b.file != nil {
			if info, err := b.file.Stat(); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		}
		if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) > 0 {
			t.Errorf("files %v, %v", names, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A folder that cannot be written to is told as soon as it is needed.
func TestBufferWithoutAFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	var b Buffer
	if _, err := b.Write(make([]byte, inMemory)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("x")); !os.IsNotExist(err) && (err == nil || !strings.Contains(err.Error(), "create temporary file")) {
		t.Errorf("error is %v", err)
	}
}
