package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

func TestDefaultsAreThoseThatAreWrittenDown(t *testing.T) {
	t.Parallel()
	c, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DatabaseMaxConns:          20,
		RegistrarPathAuthenticate: "/authenticate", RegistrarPathCheck: "/whois/{domain}", RegistrarPathCheckBulk: "/whois",
		RegistrarPathRegister: "/domain", RegistrarPathRegisterBulk: "/domain/bulk",
		RegistrarPathHolder: "/domainholder", RegistrarPathHolderByID: "/domainholder/{id}",
		WhoisBatchSize: 100, WhoisLinger: 100 * time.Millisecond, WhoisConcurrency: 4,
		RegisterBatchSize: 50, RegisterLinger: 500 * time.Millisecond, RegisterConcurrency: 2,
		TokenURL: "https://webapi.pmg.be/v2/token/gettoken", TokenConcurrency: 4, TokenLanguages: "nl,fr,en",
		UpstreamTimeout: 30 * time.Second, ReconcileAfter: 10 * time.Minute, ReconcileEvery: time.Minute, ReconcileChecks: 2,
		RetryBase: 2 * time.Second, RetryMax: 10 * time.Minute, MaxAttempts: 12, PaymentProbeInterval: 5 * time.Minute,
		TerminationGracePeriod: 90 * time.Second, MetricsAddr: "127.0.0.1:9090", HTTPAddr: ":8080", HTTPMaxBody: 256, HTTPRequestsPerMinute: 3000, LogLevel: "info", TracesRatio: 1,
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
	if got := c.Paths(); got != registrar.DefaultPaths() {
		t.Errorf("paths %+v are not the client's defaults %+v", got, registrar.DefaultPaths())
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the defaults warn: %q", w)
	}
}

func TestEveryFieldIsDocumentedAndItsTagsCanBeRead(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range Fields() {
		if seen[f.Variable] {
			t.Errorf("%s is there twice", f.Variable)
		}
		seen[f.Variable] = true
		if f.Unit == "" || f.Reason == "" || f.example == "" {
			t.Errorf("%s lacks a unit, a reason or an example: %+v", f.Variable, f)
		}
		if f.Secret && !f.File {
			t.Errorf("%s is a secret and cannot come from a file", f.Variable)
		}
		if strings.HasSuffix(f.Variable, "_BATCH_SIZE") && f.Max != strconv.Itoa(queue.MaxJobs) {
			t.Errorf("%s: the largest batch is %s, a chunk holds %d", f.Variable, f.Max, queue.MaxJobs)
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[accountSettings]()} {
		for _, f := range fieldsOf(typ) {
			field, _ := typ.FieldByName(f.name)
			if slices.Contains([]reflect.Kind{reflect.Int, reflect.Int64, reflect.Float64}, field.Type.Kind()) {
				if f.Min == "" || f.Max == "" {
					t.Errorf("%s is a number without bounds", f.Variable)
				}
			}
			f.admits(reflect.New(field.Type).Elem()) // panics on a tag that cannot be read
		}
	}
}

// lists of problems, each given by a part of its line
func TestLoadReports(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ []string
		want    []string
	}{
		"whatever can be said": {[]string{"WHOIS_BATCH_SIZE=ten", "REGISTRAR_PATH_CHECK=x", "METRICS_ADDR=9090", "RETRY_BASE=20m", "LOG_LEVEL=loud", "UPSTREAM_TIMEOUT=30"},
			[]string{"WHOIS_BATCH_SIZE=", "UPSTREAM_TIMEOUT=", "LOG_LEVEL=", "METRICS_ADDR=", "REGISTRAR_PATH_CHECK: ", "RETRY_BASE=20m0s is longer than"}},
		"no number":                {[]string{"WHOIS_BATCH_SIZE=ten"}, []string{`WHOIS_BATCH_SIZE="ten" is not a whole number: give a whole number of domains, from 1 to 1000, such as 100`}},
		"half a number":            {[]string{"MAX_ATTEMPTS=1.5"}, []string{`MAX_ATTEMPTS="1.5" is not a whole number`}},
		"no rate":                  {[]string{"REGISTRAR_RATE=fast"}, []string{`REGISTRAR_RATE="fast" is not a number: give a number of requests/s, from 0 to 100000`}},
		"a negative rate":          {[]string{"REGISTRAR_RATE=-1"}, []string{`REGISTRAR_RATE="-1" is out of range`}},
		"a rate that is none":      {[]string{"REGISTRAR_RATE=NaN"}, []string{`REGISTRAR_RATE="NaN" is out of range`}},
		"no batch":                 {[]string{"WHOIS_BATCH_SIZE=0"}, []string{`WHOIS_BATCH_SIZE="0" is out of range`}},
		"batch over a chunk":       {[]string{"REGISTER_BATCH_SIZE=1001"}, []string{`REGISTER_BATCH_SIZE="1001" is out of range: give a whole number of domains, from 1 to 1000, such as 50`}},
		"less than no limit":       {[]string{"REGISTER_DAILY_LIMIT=-1"}, []string{`REGISTER_DAILY_LIMIT="-1" is out of range: give a whole number of domains, from 0 to 10000000, such as 5000`}},
		"no concurrency":           {[]string{"REGISTER_CONCURRENCY=0"}, []string{"REGISTER_CONCURRENCY"}},
		"negative":                 {[]string{"WHOIS_LINGER=-1s"}, []string{"WHOIS_LINGER"}},
		"duration without unit":    {[]string{"UPSTREAM_TIMEOUT=30"}, []string{`UPSTREAM_TIMEOUT="30" is not a duration: give a number with its unit, from 10ms to 10m, such as 30s`}},
		"timeout without end":      {[]string{"UPSTREAM_TIMEOUT=11m"}, []string{"UPSTREAM_TIMEOUT"}},
		"retry base over max":      {[]string{"RETRY_BASE=20m"}, []string{"RETRY_BASE=20m0s is longer than RETRY_MAX=10m0s"}},
		"grace under drain":        {[]string{"UPSTREAM_TIMEOUT=1m"}, []string{"TERMINATION_GRACE_PERIOD=1m30s is too short: with UPSTREAM_TIMEOUT=1m0s a worker takes up to 2m15s"}},
		"grace equal to drain":     {[]string{"TERMINATION_GRACE_PERIOD=75s"}, []string{"TERMINATION_GRACE_PERIOD"}},
		"no word":                  {[]string{"LOG_LEVEL=loud"}, []string{`LOG_LEVEL="loud" is not known: give one of debug, info, warn, error`}},
		"no format":                {[]string{"LOG_FORMAT=xml"}, []string{"LOG_FORMAT"}},
		"no Postgres":              {[]string{"DATABASE_URL=mysql://localhost"}, []string{"DATABASE_URL is no Postgres address"}},
		"another query mode":       {[]string{"DATABASE_URL=postgres://u@h/d?default_query_exec_mode=exec"}, []string{"the setting default_query_exec_mode of DATABASE_URL"}},
		"no Redis":                 {[]string{"REDIS_URL=localhost"}, []string{"REDIS_URL is no Redis address"}},
		"a port alone":             {[]string{"METRICS_ADDR=9090"}, []string{`METRICS_ADDR="9090" is no address to listen on: give :9090 for every interface, one as in 127.0.0.1:9090, or off`}},
		"a port out of range":      {[]string{"METRICS_ADDR=:65536"}, []string{"METRICS_ADDR"}},
		"a port by name":           {[]string{"METRICS_ADDR=:http"}, []string{"METRICS_ADDR"}},
		"base without scheme":      {[]string{"REGISTRAR_BASE_URL=api.example.com"}, []string{"REGISTRAR_BASE_URL: base URL has no http or https scheme"}},
		"path without placeholder": {[]string{"REGISTRAR_PATH_CHECK=/w"}, []string{`REGISTRAR_PATH_CHECK: check path "/w" must hold {domain}`}},
		"path without slash":       {[]string{"REGISTRAR_PATH_REGISTER_BULK=domains"}, []string{"REGISTRAR_PATH_REGISTER_BULK: "}},
		"secret with line break":   {[]string{"REGISTRAR_CLIENT_SECRET=a\nb"}, []string{"REGISTRAR_CLIENT_SECRET: client secret holds a line break"}},
		"letters swapped":          {[]string{"REGISTRAR_CLIENT_SECERT=x"}, []string{"REGISTRAR_CLIENT_SECERT is no setting: did you mean REGISTRAR_CLIENT_SECRET?"}},
		"a slip in a wait":         {[]string{"RETRY_BSE=2s"}, []string{"RETRY_BSE is no setting: did you mean RETRY_BASE?"}},
		"the nearest of two":       {[]string{"REGISTRAR_PATH_REGISTER_BLK=/x"}, []string{"did you mean REGISTRAR_PATH_REGISTER_BULK?"}},
		"letter missing":           {[]string{"WHOIS_BATCHSIZE=5"}, []string{"did you mean WHOIS_BATCH_SIZE?"}},
		"slip in the beginning":    {[]string{"REGISTAR_BASE_URL=http://x"}, []string{"did you mean REGISTRAR_BASE_URL?"}},
		"slip before _FILE":        {[]string{"REGISTRAR_CLIENT_SECRETS_FILE=/x"}, []string{"did you mean REGISTRAR_CLIENT_SECRET_FILE?"}},
		"all at once": {[]string{"RETRY_BASE=x", "RETRY_MAX=y", "WHOIS_CONCURRENCY=-1"},
			[]string{"WHOIS_CONCURRENCY", "RETRY_BASE", "RETRY_MAX"}},
		"a long value is cut": {[]string{"RETRY_BASE=" + strings.Repeat("x", 1000)}, []string{strings.Repeat("x", 60) + `..."`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(tc.environ)
			checkProblems(t, err, tc.want)
		})
	}
}

func checkProblems(t *testing.T, err error, want []string) {
	t.Helper()
	var problems *Error
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if len(problems.Problems) != len(want) {
		t.Fatalf("got %q, want %q", problems.Problems, want)
	}
	for i, line := range problems.Problems {
		if !strings.Contains(line, want[i]) {
			t.Errorf("problem %d is %q, want %q in it", i, line, want[i])
		}
		if strings.Contains(line, "\n") {
			t.Errorf("problem %d is of more than one line: %q", i, line)
		}
		if !strings.Contains(err.Error(), line) {
			t.Errorf("%q does not show %q", err, line)
		}
	}
}

func TestLoadTakes(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"empty is unset":      {"WHOIS_BATCH_SIZE=", "REDIS_URL=", "LOG_FORMAT=", "RETRY_BASE="},
		"bounds":              {"WHOIS_BATCH_SIZE=1", "REGISTER_BATCH_SIZE=1000", "RECONCILE_AFTER=0s"},
		"equal retry times":   {"RETRY_BASE=1m", "RETRY_MAX=1m"},
		"tests of holds":      {"PAYMENT_PROBE_INTERVAL=2s"},
		"long calls":          {"UPSTREAM_TIMEOUT=1m", "TERMINATION_GRACE_PERIOD=136s"},
		"key value Postgres":  {"DATABASE_URL=host=/tmp dbname=x"},
		"other programs":      {"WHOIS_SERVER=whois.sidn.nl", "REGISTRAR_PORT=tcp://10.0.0.1:80", "REGISTRAR_SERVICE_HOST=10.0.0.1", "REDIS_URI=x", "PATH=/bin"},
		"settings to come":    {"PMG_ACCESS_TOKEN=x", "HTTP_ADDR=:8080", "TOKEN_CONCURRENCY=4"},
		"nowhere to listen":   {"METRICS_ADDR=off"},
		"an address":          {"METRICS_ADDR=127.0.0.1:0"},
		"an IPv6 address":     {"METRICS_ADDR=[::1]:65535"},
		"path with query":     {"REGISTRAR_PATH_CHECK=/check?name={domain}"},
		"odd environ entries": {"", "=x", "NOVALUE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Load(environ); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, empty, large := write("secret", "\uFEFFs3cret\r\n"), write("empty", "\n"), write("large", strings.Repeat("x", maxFile+1))
	database := write("database", "postgres://u:s3cret@h/d\n")

	c, err := Load([]string{"REGISTRAR_CLIENT_SECRET_FILE=" + secret, "DATABASE_URL_FILE=" + database, "REGISTRAR_ACCOUNTS_1_NAME=b",
		"REGISTRAR_ACCOUNTS_1_CLIENT_ID=b", "REGISTRAR_ACCOUNTS_1_BASE_URL=http://b", "REGISTRAR_ACCOUNTS_1_CLIENT_SECRET_FILE=" + secret})
	if err != nil {
		t.Fatal(err)
	}
	if string(c.RegistrarClientSecret) != "s3cret" || string(c.DatabaseURL) != "postgres://u:s3cret@h/d" || string(c.Further[0].ClientSecret) != "s3cret" {
		t.Error("a secret is not what its file holds, without the line end")
	}
	for name, tc := range map[string]struct{ environ, want string }{
		"both":    {"REGISTRAR_CLIENT_SECRET=s3cret\x00REGISTRAR_CLIENT_SECRET_FILE=" + secret, "REGISTRAR_CLIENT_SECRET and REGISTRAR_CLIENT_SECRET_FILE are both set: keep one of them"},
		"missing": {"REDIS_URL_FILE=" + filepath.Join(dir, "none"), "REDIS_URL_FILE: open "},
		"empty":   {"REDIS_URL_FILE=" + empty, "is empty: put the value of REDIS_URL into it"},
		"large":   {"REDIS_URL_FILE=" + large, "is larger than 65536 bytes"},
		"UTF-16":  {"REDIS_URL_FILE=" + write("utf16", "\xff\xfer\x00"), "is in UTF-16: save it as UTF-8"},
		"BOM":     {"REDIS_URL_FILE=" + write("bom", "\uFEFF\n"), "is empty: put the value of REDIS_URL into it"},
		"folder":  {"REDIS_URL_FILE=" + dir, "REDIS_URL_FILE: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(strings.Split(tc.environ, "\x00"))
			checkProblems(t, err, []string{tc.want})
		})
	}
}

// A command that reads some of the settings goes on whatever the others are.
func TestLoadForSomeOfTheSettings(t *testing.T) {
	t.Parallel()
	wrong := map[string]Use{ // and who reads it, besides a worker
		"DATABASE_MAX_CONNS=x": UseStore, "DATABASE_URL=mysql://h": UseStore, "DATABASE_URL=postgres://u@h/d?default_query_exec_mode=exec": UseStore,
		"DATABASE_MAX_CONN=5": UseStore, "WHOIS_BATCH_SIZE=0": UseOrders | UseRegistrar, "REGISTER_BATCH_SIZE=0": UseOrders,
		"EXTRA_SUFFIXES=a..b": UseOrders | UseRegistrar, "REGISTRAR_PATH_HOLDER=x": UseRegistrar, "REGISTRAR_ACCOUNTS_1_NAME=default": UseRegistrar,
		"REGISTRAR_CLIENT_SECRET_FILE=/nowhere": UseRegistrar, "REGISTRAR_ACCOUNTS_X=1": UseRegistrar,
		"REDIS_URL=x": 0, "RETRY_BASE=20m": 0, "RECONCILE_CHEKCS=2": 0, "METRICS_ADDR=9": 0, "LOG_LEVEL=loud": 0, "TERMINATION_GRACE_PERIOD=2s": 0,
	}
	for environ, readers := range wrong {
		for _, use := range []Use{UseStore, UseOrders, UseRegistrar, UseWorker, UseAll} {
			_, err := LoadFor([]string{environ}, use)
			if want := use&(readers|UseWorker) != 0; (err != nil) != want {
				t.Errorf("%s for %b: %v", environ, use, err)
			}
		}
	}
}

// The kernel's log passes for a regular file, and whoever reads it waits for the kernel to say something.
func TestFileThatNeverEnds(t *testing.T) {
	t.Parallel()
	const endless = "/proc/kmsg"
	if file, err := os.Open(endless); err != nil {
		t.Skip("the kernel's log cannot be opened here: ", err)
	} else if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := Load([]string{"REDIS_URL_FILE=" + endless})
		ended <- err
	}()
	select {
	case err := <-ended:
		checkProblems(t, err, []string{"REDIS_URL_FILE: "})
	case <-time.After(10 * time.Second):
		t.Error("it is being read to this day")
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	byDefault := []string{"REGISTRAR_BASE_URL=http://a", "REGISTRAR_CLIENT_ID=a", "REGISTRAR_CLIENT_SECRET=as"}
	further := func(n int, name string) []string {
		p := fmt.Sprintf("REGISTRAR_ACCOUNTS_%d_", n)
		return []string{p + "NAME=" + name, p + "CLIENT_ID=" + name + "-id", p + "CLIENT_SECRET=" + name + "-secret"}
	}
	a := Account{"default", "http://a", "a", "as"}
	b, c := Account{"b", "http://a", "b-id", "b-secret"}, Account{"c", "http://c", "c-id", "c-secret"}
	for name, tc := range map[string]struct {
		environ []string
		want    []Account
		missing string
	}{
		"default alone":                  {byDefault, []Account{a}, ""},
		"gaps, and ordered by number":    {slices.Concat(byDefault, further(10, "c"), further(2, "b"), []string{"REGISTRAR_ACCOUNTS_10_BASE_URL=http://c"}), []Account{a, b, c}, ""},
		"no default, base URL for all":   {slices.Concat(byDefault[:1], further(0, "b")), []Account{b}, ""},
		"none":                           {nil, nil, "REGISTRAR_BASE_URL, REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET are not set"},
		"default in part":                {byDefault[:2], nil, "REGISTRAR_CLIENT_SECRET is not set"},
		"default in part, further there": {slices.Concat(byDefault[:2], further(1, "b")), nil, "REGISTRAR_CLIENT_SECRET is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := Load(tc.environ)
			if err != nil {
				t.Fatal(err)
			}
			got, err := cfg.Accounts()
			var missing *MissingError
			if tc.missing != "" {
				if !errors.As(err, &missing) || !strings.HasPrefix(err.Error(), tc.missing) {
					t.Fatalf("got %v, want %q", err, tc.missing)
				}
				return
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
			if one, err := cfg.Account(tc.want[0].Name); err != nil || one != tc.want[0] {
				t.Errorf("by name: %v, %v", one, err)
			}
			if _, err := cfg.Account("nobody"); err == nil || !strings.Contains(err.Error(), tc.want[0].Name) {
				t.Errorf("of an unknown account: %v", err)
			}
		})
	}
}

func TestAccountsThatAreWrong(t *testing.T) {
	t.Parallel()
	const p = "REGISTRAR_ACCOUNTS_1_"
	whole := []string{p + "NAME=b", p + "CLIENT_ID=b", p + "CLIENT_SECRET=s", p + "BASE_URL=http://b"}
	for name, tc := range map[string]struct {
		environ []string
		want    []string
	}{
		"no name":            {whole[1:], []string{p + "NAME is not set"}},
		"no credentials":     {[]string{whole[0], whole[3]}, []string{p + "CLIENT_ID is not set", p + "CLIENT_SECRET is not set"}},
		"no base URL":        {whole[:3], []string{p + "BASE_URL is not set: give the root of the API here or in REGISTRAR_BASE_URL"}},
		"bad base URL":       {append(whole[:3:3], p+"BASE_URL=b"), []string{p + "BASE_URL: base URL has no http"}},
		"reserved name":      {append(whole[1:4:4], p+"NAME=default"), []string{`"default" is the name of the account of REGISTRAR_CLIENT_ID already`}},
		"bad name":           {append(whole[1:4:4], p+"NAME= b"), []string{p + "NAME has spaces around it"}},
		"unknown setting":    {append(whole[:4:4], p+"SECRET=x"), []string{p + "SECRET is no setting"}},
		"no number":          {[]string{"REGISTRAR_ACCOUNTS_B_NAME=x"}, []string{"REGISTRAR_ACCOUNTS_B_NAME is no setting"}},
		"number in two ways": {append(whole[:4:4], "REGISTRAR_ACCOUNTS_01_NAME=x"), []string{"REGISTRAR_ACCOUNTS_01_NAME is no setting"}},
		"name twice": {slices.Concat(whole, []string{"REGISTRAR_ACCOUNTS_2_NAME=b", "REGISTRAR_ACCOUNTS_2_CLIENT_ID=c", "REGISTRAR_ACCOUNTS_2_CLIENT_SECRET=s", "REGISTRAR_ACCOUNTS_2_BASE_URL=http://b"}),
			[]string{`REGISTRAR_ACCOUNTS_2_NAME="b" is the name of the account of REGISTRAR_ACCOUNTS_1_NAME already`}},
		"file that is not there": {append(slices.Clone(whole[:2]), whole[3], p+"CLIENT_SECRET_FILE=/nowhere"), []string{p + "CLIENT_SECRET_FILE: open /nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(tc.environ)
			checkProblems(t, err, tc.want)
		})
	}
}

func TestWhatCommandsNeed(t *testing.T) {
	t.Parallel()
	empty, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, ask := range map[string]func(Config) (string, error){
		"DATABASE_URL is not set: give the address of your Postgres, such as postgres://": Config.Database,
		"REDIS_URL is not set: give the address of your Redis, such as redis://":          Config.Redis,
	} {
		if _, err := ask(empty); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line that begins with %q", err, want)
		}
	}
	full, err := Load([]string{"DATABASE_URL=postgres://h/d", "REDIS_URL=redis://h:1/0"})
	if err != nil {
		t.Fatal(err)
	}
	database, err1 := full.Database()
	redis, err2 := full.Redis()
	if database != "postgres://h/d" || redis != "redis://h:1/0" || err1 != nil || err2 != nil {
		t.Errorf("got %q, %v and %q, %v", database, err1, redis, err2)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]string{
		"RECONCILE_AFTER=1s":        "RECONCILE_AFTER=1s is short",
		"REGISTRAR_TIMEOUT=5s":      "REGISTRAR_TIMEOUT is no setting of this version",
		"PAYMENT_PROBE_INTERVAL=2s": "PAYMENT_PROBE_INTERVAL=2s is shorter than UPSTREAM_TIMEOUT=30s",
	} {
		c, err := Load([]string{environ})
		if err != nil {
			t.Fatal(err)
		}
		if w := c.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], want) {
			t.Errorf("%s: got %q, want %q", environ, w, want)
		}
	}
}

// Kubernetes tells programs of services by their names, and a service may be called registrar.
func TestServicesAreNoStraySettings(t *testing.T) {
	t.Parallel()
	c, err := Load([]string{"REGISTRAR_SERVICE_HOST=10.0.0.1", "REGISTRAR_SERVICE_PORT_HTTP=80", "REGISTRAR_PORT_80_TCP_ADDR=10.0.0.1", "REGISTRAR_PORT=tcp://10.0.0.1:80", "WHOIS_SERVER=x"})
	if w := c.Warnings(); err != nil || len(w) > 0 {
		t.Errorf("%v, %q", err, w)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-of-many"
	good := []string{
		"DATABASE_URL=postgres://u:" + secret + "@h/d", "REDIS_URL=redis://:" + secret + "@h:1/0", "REGISTRAR_BASE_URL=http://h",
		"REGISTRAR_CLIENT_ID=x", "REGISTRAR_CLIENT_SECRET=" + secret,
		"REGISTRAR_ACCOUNTS_1_NAME=b", "REGISTRAR_ACCOUNTS_1_CLIENT_ID=x", "REGISTRAR_ACCOUNTS_1_CLIENT_SECRET=" + secret,
	}
	c, err := Load(good)
	if err != nil {
		t.Fatal(err)
	}
	marshaled, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := c.Accounts()
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(marshaled), fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), fmt.Sprintf("%+v %#v %q", accounts, accounts, accounts)}
	for _, environ := range [][]string{
		{"DATABASE_URL=postgres://u:" + secret + "@:::/d"},
		{"DATABASE_URL=" + secret},
		{"REDIS_URL=rediss//:" + secret + "@h"},
		{"REGISTRAR_BASE_URL=https://u:" + secret + "@h"},
		{"REGISTRAR_CLIENT_SECRET=\t" + secret},
		{"REGISTRAR_CLIENT_SECERT=" + secret},
		{"REGISTRAR_ACCOUNTS_1_CLIENT_SECRET=\t" + secret},
		{"REGISTRAR_ACCOUNTS_1_CLIENTSECRET=" + secret},
	} {
		_, err := Load(environ)
		if err == nil {
			t.Errorf("%q was taken", environ)
			continue
		}
		shown = append(shown, err.Error(), fmt.Sprintf("%+v", err))
	}
	for _, s := range shown {
		if strings.Contains(s, secret) {
			t.Errorf("the secret is in %q", s)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("WHOIS_BATCH_SIZE", "10")
	f.Add("REGISTRAR_ACCOUNTS_1_NAME", "b")
	f.Add("REGISTRAR_CLIENT_SECRET_FILES", "")
	f.Add("UPSTREAM_TIMEOUT", "-1ns")
	f.Add("REGISTRAR_BASE_URL", "http://[")
	f.Fuzz(func(t *testing.T, name, value string) {
		if strings.HasSuffix(name, "_FILE") {
			return // reads what the fuzzer names
		}
		c, err := Load([]string{name + "=" + value})
		var problems *Error
		if err != nil && (!errors.As(err, &problems) || len(problems.Problems) == 0) {
			t.Fatalf("%q=%q: an error that says nothing: %v", name, value, err)
		}
		if err == nil && (c.WhoisBatchSize < 1 || c.WhoisBatchSize > queue.MaxJobs || c.RetryBase > c.RetryMax || c.UpstreamTimeout <= 0) {
			t.Fatalf("%q=%q: taken with %+v", name, value, c)
		}
	})
}

func TestProducerKeys(t *testing.T) {
	t.Parallel()
	const key, other = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("shop="+key+"\nerp="+other+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, environ := range [][]string{
		{"PRODUCER_KEYS=shop=" + key + ",erp=" + other}, {"PRODUCER_KEYS=shop=" + key + "\nerp=" + other}, {"PRODUCER_KEYS_FILE=" + file},
	} {
		c, err := Load(environ)
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := c.Keys(); err != nil || keys.Sources() != 2 {
			t.Errorf("%d sources, %v", keys.Sources(), err)
		}
		if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, key) {
			t.Error("printing the settings shows a key")
		}
	}
	if keys, err := (Config{}).Keys(); err != nil || !keys.Empty() {
		t.Errorf("without keys: %v, %v", keys, err)
	}
	for value, says := range map[string]string{
		key:                                 "PRODUCER_KEYS: entry 1: there is no = in it: give SOURCE=KEY",
		"shop=" + key + "," + other:         "PRODUCER_KEYS: entry 2: there is no = in it",
		key + "=shop":                       "PRODUCER_KEYS: entry 1: the key is shorter than 32 characters: make one with `openssl rand -hex 32`",
		"shop=" + key + ",erp=" + key:       "PRODUCER_KEYS: entry 2 has another source's key",
		"shop=" + key + "," + other + "=a=": "PRODUCER_KEYS: entry 2: the key is shorter",
		" ":                                 "PRODUCER_KEYS: there is no key in it",
	} {
		_, err := Load([]string{"PRODUCER_KEYS=" + value})
		checkProblems(t, err, []string{says})
		if err != nil && (strings.Contains(err.Error(), key) || strings.Contains(err.Error(), other)) {
			t.Errorf("the problem shows a key: %v", err)
		}
	}
}
