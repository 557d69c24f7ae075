package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipe makes a pipe with a name.
func (d *desk) pipe(name string) string {
	d.t.Helper()
	path := filepath.Join(d.folder, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// writer opens a pipe to write into it, once somebody reads.
func (d *desk) writer(path string) *os.File {
	d.t.Helper()
	for {
		w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		switch {
		case err == nil:
			return w
		case !errors.Is(err, syscall.ENXIO):
			d.t.Fatal(err)
		}
		select {
		case <-d.t.Context().Done():
			d.t.Fatal("nobody reads")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// An order may come through a pipe, as from another program.
func TestOrderThroughAPipe(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := d.pipe("list")
	c := startCommandWith(t, "", d.environ, "enqueue", "whois", path, "--order", "piped")
	w := d.writer(path)
	if _, err := w.WriteString("a.nl\nb.nl\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	if r := c.result(); r.status != exitDone || len(d.domains("piped")) != 2 {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

// A signal ends a command that waits for a pipe to be opened by somebody else, or to give something.
func TestSignalWhileAPipeGivesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := d.pipe("nobody")
	waiting, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := openInTime(waiting, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opening ended with %v", err)
	}
	t.Run("signals", func(t *testing.T) {
		for _, args := range []string{"enqueue whois ", "enqueue register "} {
			for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
				t.Run(args+s.String(), func(t *testing.T) {
					t.Parallel()
					silent := d.pipe(strings.ReplaceAll(args, " ", "-") + s.String())
					p := startChild(t, "", d.environ, args+silent+" --order silent")
					w := d.writer(silent)
					defer w.Close()
					p.signal(t, s)
					<-p.ended
					if code := p.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(p.stderr.String(), "nothing was stored") {
						t.Errorf("status %d: %s", code, p.stderr.String())
					}
				})
			}
		}
	})
	d.empty()
}

// Rejects go into a file of one's own, and nowhere else.
func TestRejectsFollowNoLink(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list := d.file("list.txt", "a.nl\nwww.b.nl\n")
	victim, own := d.file("victim.txt", ""), d.file("own.txt", "")
	link := func(name string, make func(from, to string) error, to string) string {
		path := filepath.Join(d.folder, name)
		if err := make(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for path, want := range map[string]string{
		link("link.txt", os.Symlink, victim):                              "is a symbolic link",
		link("dangling.txt", os.Symlink, filepath.Join(d.folder, "none")): "is a symbolic link",
		link("stderr", os.Symlink, "/dev/stderr"):                         "is a symbolic link",
		link("hard.txt", os.Link, own):                                    "is somebody else's file, or has another name",
		d.pipe("rejects"):                                                 "is a pipe",
		socket:                                                            "is no regular file",
		"/dev/zero":                                                       "is a device",
		"/dev/fd":                                                         "is a symbolic link",
	} {
		r := d.run("enqueue", "whois", list, "--order", "one", "--skip-invalid", "--rejects", path)
		if r.status != exitUsage || !strings.Contains(r.stderr, path+" "+want) || !strings.HasSuffix(r.stderr, "nothing was stored\n") {
			t.Errorf("%s: status %d: %s", path, r.status, r.stderr)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(victim, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if r := d.run("enqueue", "whois", list, "--order", "one", "--skip-invalid", "--rejects", victim); r.status != exitUsage || !strings.Contains(r.stderr, "somebody else's file") {
			t.Errorf("another's file: status %d: %s", r.status, r.stderr)
		}
	}
	d.empty()
	if got := d.read(victim) + d.read(own); got != "" {
		t.Errorf("somewhere else stands %q now", got)
	}
	if _, err := os.Stat(filepath.Join(d.folder, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link was followed: %v", err)
	}
}

// Somebody puts a link where the file was to be made, between the look and the first line.
func TestRejectsThatWereReplaced(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	victim, path := d.file("victim.txt", ""), filepath.Join(d.folder, "rejects.txt")
	r, err := newRejects(nil, path, &orderInput{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	if err := r.open(); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("got %v", err)
	}
}

// A setting that names what never gives anything, or never ends, is refused at once.
func TestSettingsFromPipesAndDevices(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for path, want := range map[string]string{d.pipe("secret"): "is a pipe", "/dev/zero": "is a device", d.folder: "is a folder"} {
		for _, variable := range []string{"REGISTRAR_CLIENT_SECRET_FILE", "DATABASE_URL_FILE", "REDIS_URL_FILE"} {
			r := runCommand(t, []string{variable + "=" + path}, "worker")
			if r.status != exitUsage || !strings.Contains(r.stderr, variable+": "+path+" "+want+": give a regular file\n") {
				t.Errorf("%s=%s: status %d: %s", variable, path, r.status, r.stderr)
			}
		}
		for _, args := range [][]string{{"worker"}, {"orders"}, {"migrate"}, {"config", "--check", "--for", "cli"}} {
			r := runCommand(t, []string{"DATABASE_URL=postgres://u:p@127.0.0.1:1/d?sslmode=require&sslrootcert=" + path}, args...)
			if r.status != exitUsage || !strings.Contains(r.stderr, "the setting sslrootcert of DATABASE_URL: the file "+path+" "+want+"; give a regular file") {
				t.Errorf("%v with sslrootcert=%s: status %d: %s", args, path, r.status, r.stderr)
			}
		}
	}
}

// What a command writes goes through nobody else's link, whichever flag or argument names it.
func TestWhatIsWrittenFollowsNoForeignLink(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes links of others")
	}
	d := newDesk(t)
	elsewhere := filepath.Join(d.folder, "elsewhere")
	if err := os.Mkdir(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	foreign := func(name, to string) string {
		path := filepath.Join(d.folder, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		return path
	}
	folder := foreign("folder", elsewhere)
	pages := filepath.Join(d.folder, "pages")
	if err := os.Mkdir(pages, 0o777); err != nil {
		t.Fatal(err)
	}
	foreign("pages/bulkreg-export.1", filepath.Join(elsewhere, "page"))
	for _, tc := range [][]string{
		{"man", folder},
		{"man", pages},
	} {
		if r := d.run(tc...); r.status == exitDone || !strings.Contains(r.stderr, "link") {
			t.Errorf("%v: status %d: %s", tc, r.status, r.stderr)
		}
	}
	if file, err := makeFindings(filepath.Join(folder, "found.csv")); err == nil || !strings.Contains(err.Error(), "link") {
		t.Errorf("--out: %v, %v", file, err)
	}
	left, err := os.ReadDir(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("elsewhere stands %s now", entry.Name())
	}
}
