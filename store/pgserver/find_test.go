package pgserver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func strangerCredential() *syscall.Credential {
	return &syscall.Credential{Uid: 4_000_000, Gid: 4_000_000}
}

func diesWithParent() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

func TestParseMajor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		output string
		want   int
		fails  bool
	}{
		{output: "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", want: 15},
		{output: "postgres (PostgreSQL) 19beta1\n", want: 19},
		{output: "postgres (PostgreSQL) 9.6.24\n", want: 9},
		{output: "postgres (PostgreSQL) devel\n", fails: true},
		{output: "postgres 15.18\n", fails: true},
		{output: "", fails: true},
	} {
		got, err := parseMajor(test.output)
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("parseMajor(%q) = %d, %v; want %d", test.output, got, err, test.want)
		}
	}
}

func FuzzParseMajor(f *testing.F) {
	f.Add("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)")
	f.Add("postgres (PostgreSQL) 19beta1")
	f.Add("(PostgreSQL) 99999999999999999999")
	f.Fuzz(func(t *testing.T, output string) {
		major, err := parseMajor(output)
		if err == nil && major < 0 || err != nil && major != 0 {
			t.Errorf("parseMajor(%q) = %d, %v", output, major, err)
		}
	})
}

// fakeBinaries makes a folder whose postgres says that it has this version.
func fakeBinaries(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	// A process that another test forks meanwhile would hold the scripts open for writing: "text file busy".
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindChecksTheVersion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		version string
		wanted  int
		refused string // empty: found
	}{
		{name: "any", version: "16.2"},
		{name: "the wanted one", version: "16.2", wanted: 16},
		{name: "another one", version: "16.2", wanted: 15, refused: "is version 16 and the database was made by 15"},
		{name: "too old", version: "12.9", refused: "is version 12 and 13 is the oldest"},
		{name: "no version", version: "next", refused: "no version of Postgres"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := fakeBinaries(t, test.version)
			b, err := find(t.Context(), dir, test.wanted)
			switch {
			case test.refused == "" && (err != nil || b.postgres != filepath.Join(dir, "postgres")):
				t.Errorf("find = %+v, %v", b, err)
			case test.refused != "" && (!errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), test.refused)):
				t.Errorf("error %v does not say %q", err, test.refused)
			}
		})
	}
}

func TestNumberIn(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/usr/lib/postgresql/9/bin":            9,
		"/usr/lib/postgresql/15/bin":           15,
		"/usr/pgsql-16/bin":                    16,
		"/opt/homebrew/opt/postgresql@17/bin":  17,
		"/usr/libexec/postgresql":              0,
		"/usr/libexec/postgresql1234567890123": 1234567890123,
	} {
		if got := numberIn(path); got != want {
			t.Errorf("numberIn(%q) = %d, want %d", path, got, want)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, log, want string
		is              error
	}{
		{name: "nothing", log: "", want: "it ended without a word"},
		{name: "the telling lines", log: "LOG:  starting\nFATAL:  no such setting\nLOG:  bye\n", want: "FATAL:  no such setting"},
		{name: "the last lines", log: "1\n2\n3\n4\n5\n6\n", want: "2; 3; 4; 5; 6"},
		{name: "a taken port", log: "LOG:  could not bind: Address already in use\n", want: "the port is taken", is: errPortTaken},
		{
			name: "a server that is still there", log: `FATAL:  lock file "postmaster.pid" already exists`,
			want: "still shutting down", is: errStillRunning,
		},
	} {
		err := explain(test.log)
		if !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	t.Parallel()
	log := &tail{}
	for range 1000 {
		if n, err := log.Write([]byte(strings.Repeat("x", 100))); n != 100 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := log.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if len(log.bytes) != tailSize || !strings.HasSuffix(string(log.bytes), "xend") {
		t.Errorf("kept %d bytes", len(log.bytes))
	}
}
