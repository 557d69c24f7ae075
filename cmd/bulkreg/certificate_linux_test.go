package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The files of the certificate are held to the rules of every file that a setting names, when the API starts and when somebody checks.
func TestCertificatesFromPipesAndDevices(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	cert, key := certificate(t, t.TempDir(), 1)
	wrong := map[string]string{
		d.pipe("certificate"): " is a pipe: give a regular file", "/dev/zero": " is a device: give a regular file", d.folder: " is a folder: give a regular file",
		d.file("large", strings.Repeat("x", 1<<20+1)): " is larger than 1048576 bytes", filepath.Join(d.folder, "none"): "no such file",
	}
	if os.Geteuid() == 0 {
		link := filepath.Join(d.folder, "link")
		if err := os.Symlink(cert, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(link, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		wrong[link] = "a symbolic link of somebody else's"
	}
	check := func(words string, args []string, files ...string) {
		t.Helper()
		environ := append(slices.Clone(d.environ), "HTTP_ADDR=127.0.0.1:0", "HTTP_TLS_CERT="+files[0], "HTTP_TLS_KEY="+files[1])
		r := runCommand(t, environ, args...)
		if r.status != exitUsage || !strings.Contains(r.stderr, words) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%v of %v: status %d: %s", args, files, r.status, r.stderr)
		}
	}
	for _, args := range [][]string{{"api"}, {"config", "--check", "--for", "api"}, {"config", "--check"}} {
		for path, words := range wrong {
			check("HTTP_TLS_CERT: ", args, path, key)
			check(words, args, path, key)
			check("HTTP_TLS_KEY: ", args, cert, path)
		}
		check("HTTP_TLS_CERT and HTTP_TLS_KEY: ", args, cert, cert)
	}
	// Others with the same settings need not have the files.
	environ := append(slices.Clone(d.environ), "HTTP_TLS_CERT="+filepath.Join(d.folder, "none"), "HTTP_TLS_KEY="+key)
	if r := runCommand(t, environ, "config", "--check", "--for", "cli"); strings.Contains(r.stderr, "HTTP_TLS") {
		t.Errorf("for the command line: status %d: %s", r.status, r.stderr)
	}
}
