//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/worker/gettoken"
)

// askedInTime is what an access token's file gives, or the test ends: who asks holds a call slot meanwhile.
func askedInTime(t *testing.T, access gettoken.Access) (string, error) {
	t.Helper()
	type answer struct {
		token string
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		token, err := access.AccessToken()
		answered <- answer{string(token), err}
	}()
	select {
	case a := <-answered:
		return a.token, a.err
	case <-time.After(10 * time.Second):
		t.Fatal("the file of the access token is being read to this day")
		return "", nil
	}
}

// The file of the access token is read again and again. Whatever stands there by then is held to the rules of every file with a
// secret in it, and while it cannot be used the last good token counts.
func TestAccessTokenFileThatChanges(t *testing.T) {
	t.Parallel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, content string) { must(os.WriteFile(path, []byte(content), 0o600)) }
	for name, change := range map[string]func(path string){
		"a pipe":             func(path string) { must(syscall.Mkfifo(path, 0o600)) },
		"a link to a device": func(path string) { must(os.Symlink("/dev/zero", path)) },
		"a folder":           func(path string) { must(os.Mkdir(path, 0o700)) },
		"a link to itself":   func(path string) { must(os.Symlink(path, path)) },
		"too large":          func(path string) { write(path, strings.Repeat("x", maxFile+1)) },
		"UTF-16":             func(path string) { write(path, "\xff\xfen\x00e\x00w\x00") },
		"empty":              func(path string) { write(path, "\uFEFF\r\n") },
		"gone":               func(string) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "token")
			write(path, "\uFEFFgood-token\r\n") // editors put a byte order mark before it
			c, err := Load([]string{"PMG_ACCESS_TOKEN_FILE=" + path})
			must(err)
			access, err := c.Access()
			must(err)
			if token, err := askedInTime(t, access); token != "good-token" || err != nil {
				t.Fatalf("at first: %q, %v", token, err)
			}
			must(os.Remove(path))
			change(path)
			if token, err := askedInTime(t, access); token != "good-token" || err != nil {
				t.Errorf("changed: %q, %v", token, err)
			}
			other, err := c.Access()
			must(err)
			if token, err := askedInTime(t, other); token != "" || err == nil {
				t.Errorf("at first and changed: %q, %v", token, err)
			}
			must(os.RemoveAll(path))
			write(path, "newer-token")
			if token, err := askedInTime(t, access); token != "newer-token" || err != nil {
				t.Errorf("replaced: %q, %v", token, err)
			}
		})
	}
}

// A link of somebody else's leads to a token of his, with which people's details would go wherever he likes.
func TestAccessTokenFileBehindAForeignLink(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes links of others")
	}
	dir := t.TempDir()
	path, target := filepath.Join(dir, "token"), filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("good-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("good-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load([]string{"PMG_ACCESS_TOKEN_FILE=" + path})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	access, err := c.Access()
	if err != nil {
		t.Fatal(err)
	}
	if token, err := askedInTime(t, access); token != "" || err == nil {
		t.Errorf("%q, %v", token, err)
	}
	_, err = Load([]string{"DATABASE_URL=postgres://u@h/d?passfile=" + path})
	checkProblems(t, err, []string{"the setting passfile of DATABASE_URL: the file " + path + " is not read: a symbolic link of somebody else's"})
	if _, err = Load([]string{"DATABASE_URL=postgres://u@h/d?passfile=" + target}); err != nil {
		t.Errorf("a file: %v", err)
	}
}
