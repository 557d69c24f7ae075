package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
)

func TestConfigListsEverySetting(t *testing.T) {
	t.Parallel()
	r := runCommand(t, nil, "config")
	if r.status != exitDone || r.stderr != "" {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	for _, f := range config.Fields() {
		if !strings.Contains(r.stdout, "\n"+f.Variable+" ") || !strings.Contains(r.stdout, f.Reason) {
			t.Errorf("%s is not in the list, or not why", f.Variable)
		}
	}
	if !strings.Contains(r.stdout, "DATABASE_URL *") || strings.Contains(r.stdout, "WHOIS_LINGER *") {
		t.Error("the list does not tell which settings come from a file, too")
	}
}

func TestConfigAsJSON(t *testing.T) {
	t.Parallel()
	r := runCommand(t, nil, "config", "-o", "json")
	var fields []struct {
		Variable, Default, Unit, Reason string
		Secret, File                    bool
	}
	if err := json.Unmarshal([]byte(r.stdout), &fields); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	if len(fields) != len(config.Fields()) {
		t.Fatalf("%d settings, want %d", len(fields), len(config.Fields()))
	}
	for _, f := range fields {
		if f.Variable == "WHOIS_BATCH_SIZE" && (f.Default != "100" || f.Unit != "domains" || f.Reason == "" || f.Secret) {
			t.Errorf("got %+v", f)
		}
		if f.Variable == "REDIS_URL" && (!f.Secret || !f.File) {
			t.Errorf("got %+v", f)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ []string
		status  int
		stdout  string
		stderr  []string
	}{
		"all there": {[]string{"DATABASE_URL=postgres://h/d", "REDIS_URL=redis://h:1/0", "REGISTRAR_BASE_URL=http://h",
			"REGISTRAR_CLIENT_ID=x", "REGISTRAR_CLIENT_SECRET=y"}, exitDone, "no setting is wrong", nil},
		"some missing": {nil, exitUsage, "",
			[]string{"bulkreg: settings are missing:\n  DATABASE_URL is not set", "\n  REDIS_URL is not set", "REGISTRAR_CLIENT_SECRET are not set"}},
		"a warning": {[]string{"RECONCILE_AFTER=1s"}, exitUsage, "", []string{"warning: RECONCILE_AFTER=1s is short"}},
		"two wrong": {[]string{"WHOIS_BATCH_SIZE=0", "RETRY_BASE=2"}, exitUsage, "",
			[]string{"bulkreg: 2 settings are wrong:\n  WHOIS_BATCH_SIZE=", "\n  RETRY_BASE="}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, tc.environ, "config", "--check")
			if r.status != tc.status || strings.TrimSpace(r.stdout) != tc.stdout {
				t.Errorf("status %d, %q: want %d, %q", r.status, r.stdout, tc.status, tc.stdout)
			}
			for _, want := range tc.stderr {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("%q is not in %q", want, r.stderr)
				}
			}
			if tc.stderr == nil && r.stderr != "" {
				t.Errorf("it complains: %s", r.stderr)
			}
		})
	}
}

// What a worker needs is nothing to those who only list orders.
func TestConfigCheckForSomebody(t *testing.T) {
	t.Parallel()
	database := "DATABASE_URL=postgres://u@h/d"
	for name, tc := range map[string]struct {
		user    string
		environ []string
		want    string // "" for nothing wrong
	}{
		"cli":                        {"cli", []string{database}, ""},
		"api":                        {"api", []string{database}, ""},
		"worker":                     {"worker", []string{database}, "settings are missing:\n  REDIS_URL is not set"},
		"a worker of people":         {"worker --kinds token", []string{database}, "settings are missing:\n  REDIS_URL is not set"},
		"a worker of people's key":   {"worker --kinds token", []string{database, "REDIS_URL=redis://h", "PMG_ACCESS_TOKEN=x"}, "a setting is missing: TOKEN_ENCRYPTION_KEY"},
		"cli without database":       {"cli", nil, "a setting is missing: DATABASE_URL is not set"},
		"api without database":       {"api", nil, "a setting is missing: DATABASE_URL is not set"},
		"a worker's, for cli":        {"cli", []string{database, "RETRY_BASE=2", "RECONCILE_CHEKCS=2", "METRICS_ADDR=9090", "REDIS_URL=x"}, ""},
		"a worker's, for api":        {"api", []string{database, "RETRY_BASE=20m", "REGISTRAR_PATH_CHECK=x"}, ""},
		"a worker's, for worker":     {"worker", []string{database, "RETRY_BASE=20m"}, "RETRY_BASE=20m0s is longer than RETRY_MAX"},
		"the registrar's, for cli":   {"cli", []string{database, "REGISTRAR_PATH_CHECK=x"}, "REGISTRAR_PATH_CHECK"},
		"a slip that counts for cli": {"cli", []string{database, "EXTRA_SUFFIXS=co.nl"}, "EXTRA_SUFFIXS is no setting: did you mean EXTRA_SUFFIXES?"},
		"suffixes":                   {"api", []string{database, "EXTRA_SUFFIXES=co..nl"}, `EXTRA_SUFFIXES: "co..nl" has a dot too many`},
	} {
		r := runCommand(t, tc.environ, append([]string{"config", "--check", "--for"}, strings.Fields(tc.user)...)...)
		if ok := tc.want == "" && r.status == exitDone && r.stderr == "" || tc.want != "" && r.status == exitUsage && strings.Contains(r.stderr, tc.want); !ok {
			t.Errorf("%s: status %d, %s", name, r.status, r.stderr)
		}
	}
	for _, args := range [][]string{{"--for", "worker"}, {"--check", "--for", "nobody"}, {"--kinds", "token"}, {"--check", "--for", "cli", "--kinds", "token"}, {"--check", "--for", "worker", "--kinds", "x"}} {
		if r := runCommand(t, nil, append([]string{"config"}, args...)...); r.status != exitUsage || r.stdout != "" {
			t.Errorf("%q: status %d", args, r.status)
		}
	}
}

func TestConfigShowsWhatCounts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte("\uFEFFco.nl\nuk.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"DATABASE_URL=postgres://u:hunter2@h/d", "WHOIS_BATCH_SIZE=7", "EXTRA_SUFFIXES_FILE=" + file, "REGISTRAR_BASE_URL=https://u:hunter2@h",
		"REGISTRAR_ACCOUNTS_3_NAME=brand-b", "REGISTRAR_ACCOUNTS_3_CLIENT_SECRET=hunter2", "REDIS_URL_FILE=/nowhere/at/all",
	}
	type setting struct{ Variable, Value, From string }
	r := runCommand(t, environ, "config", "-o", "json")
	got := map[string]setting{}
	for _, s := range parsed[[]setting](t, r.stdout) {
		got[s.Variable] = s
	}
	for _, want := range []setting{
		{"DATABASE_URL", "(hidden)", "environment"}, {"WHOIS_BATCH_SIZE", "7", "environment"}, {"REGISTER_BATCH_SIZE", "50", "default"},
		{"EXTRA_SUFFIXES", "co.nl uk.com", "file " + file}, {"REGISTRAR_BASE_URL", "(hidden)", "environment"}, {"REGISTRAR_CLIENT_ID", "", ""},
		{"REGISTRAR_ACCOUNTS_3_NAME", "brand-b", "environment"}, {"REGISTRAR_ACCOUNTS_3_CLIENT_SECRET", "(hidden)", "environment"},
		{"REDIS_URL", "", "file /nowhere/at/all"},
	} {
		if got[want.Variable] != want {
			t.Errorf("got %+v, want %+v", got[want.Variable], want)
		}
	}
	table := runCommand(t, environ, "config")
	if table.status != exitDone || !strings.Contains(table.stdout, "WHOIS_BATCH_SIZE ") || !strings.Contains(table.stderr, "/nowhere/at/all") {
		t.Errorf("status %d: %s", table.status, table.stderr)
	}
	if strings.Contains(r.stdout+table.stdout+table.stderr, "hunter2") {
		t.Error("a secret is shown")
	}
}

func TestConfigCheckAsJSON(t *testing.T) {
	t.Parallel()
	complete := []string{"DATABASE_URL=postgres://u@h/d", "REDIS_URL=redis://h", "REGISTRAR_BASE_URL=http://h",
		"REGISTRAR_CLIENT_ID=x", "REGISTRAR_CLIENT_SECRET=y"}
	for name, tc := range map[string]struct {
		environ                  []string
		status                   int
		wrong, warnings, missing int
	}{
		"all is well": {complete, exitDone, 0, 0, 0},
		"missing":     {nil, exitUsage, 0, 0, 3},
		"a warning":   {append(complete, "RECONCILE_AFTER=1s"), exitDone, 0, 1, 0},
		"wrong":       {append(complete, "WHOIS_BATCH_SIZE=0", "REGISTRAR_PATH_CHECK=x"), exitUsage, 2, 0, 0},
	} {
		r := runCommand(t, tc.environ, "config", "--check", "-o", "json")
		got := parsed[map[string][]string](t, r.stdout)
		if r.status != tc.status || len(got["wrong"]) != tc.wrong || len(got["warnings"]) != tc.warnings || len(got["missing"]) != tc.missing {
			t.Errorf("%s: status %d, %v", name, r.status, got)
		}
		if strings.Contains(r.stdout, "null") {
			t.Errorf("%s: an empty list is not null: %s", name, r.stdout)
		}
	}
	if r := runCommand(t, nil, "config", "--check", "-o", "markdown"); r.status != exitUsage || r.stdout != "" {
		t.Errorf("as markdown: status %d, %s", r.status, r.stdout)
	}
}

// Whatever is wrong with the settings is told before anything is done, as wrong usage.
func TestCommandsSayWhatTheyLack(t *testing.T) {
	t.Parallel()
	database := "DATABASE_URL=postgres://u:hunter2@127.0.0.1:1/d"
	for name, tc := range map[string]struct {
		environ, args []string
		want          string
	}{
		"migrate without database": {nil, []string{"migrate"}, "DATABASE_URL is not set: give the address of your Postgres, such as postgres://"},
		"migrate, bad setting":     {[]string{database, "LOG_LEVEL=loud"}, []string{"migrate"}, "LOG_LEVEL="},
		"worker without all":       {nil, []string{"worker"}, "DATABASE_URL is not set"},
		"worker without Redis":     {[]string{database}, []string{"worker"}, "REDIS_URL is not set"},
		"worker without registrar": {[]string{database, "REDIS_URL=redis://127.0.0.1:1/0"}, []string{"worker"}, "REGISTRAR_BASE_URL, REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET are not set"},
		"worker on transfers":      {nil, []string{"worker", "--kinds", "whois,transfer"}, `cannot work on "transfer"`},
		"worker on tokens":         {[]string{database, "REDIS_URL=redis://127.0.0.1:1/0"}, []string{"worker", "--kinds", "token"}, "PMG_ACCESS_TOKEN is not set"},
		"worker on nothing":        {nil, []string{"worker", "--kinds", ""}, "--kinds is empty"},
		"worker with argument":     {nil, []string{"worker", "whois"}, `worker takes no arguments: "whois"`},
		"whois without registrar":  {nil, []string{"whois", "example.nl"}, "REGISTRAR_BASE_URL, "},
		"whois without domain":     {nil, []string{"whois"}, "Usage: bulkreg whois"},
		"whois of no domains":      {nil, []string{"whois", "example", "a..nl"}, `"example" has no dot`},
		"whois as a picture":       {nil, []string{"whois", "example.nl", "-o", "png"}, "table, json"},
		"sandbox in the past":      {nil, []string{"sandbox", "--latency", "-1s"}, "--latency is negative"},
		"sandbox, unknown flag":    {nil, []string{"sandbox", "--speed", "1"}, "unknown flag: --speed"},
		"keep without demo":        {nil, []string{"dev", "--keep"}, "--keep goes with --demo"},
		"dev, bad setting":         {[]string{"RETRY_BASE=2"}, []string{"dev"}, "RETRY_BASE="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, tc.environ, tc.args...)
			if r.status != exitUsage || !strings.Contains(r.stderr, tc.want) || r.stdout != "" {
				t.Errorf("status %d, %q, %q: want %d and %q", r.status, r.stdout, r.stderr, exitUsage, tc.want)
			}
			if strings.Contains(r.stderr, "hunter2") {
				t.Errorf("the password is in %q", r.stderr)
			}
		})
	}
}
