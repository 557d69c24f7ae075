package bench

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestCallsBetween(t *testing.T) {
	t.Parallel()
	before := &sandbox.Ledger{BatchSizes: map[sandbox.Op]map[int]int{sandbox.OpWhois: {100: 20, 3: 1}}}
	after := &sandbox.Ledger{BatchSizes: map[sandbox.Op]map[int]int{sandbox.OpWhois: {100: 25, 3: 1, 40: 2}, sandbox.OpRegister: {50: 4}}}
	if calls, domains := callsBetween(before, after, sandbox.OpWhois); calls != 7 || domains != 580 {
		t.Errorf("whois: %d calls, %d domains, want 7 and 580", calls, domains)
	}
	if calls, domains := callsBetween(before, after, sandbox.OpRegister); calls != 4 || domains != 200 {
		t.Errorf("register: %d calls, %d domains, want 4 and 200", calls, domains)
	}
}

func TestMedianOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1}, 1},
		{[]float64{9, 1, 4}, 4},
		{[]float64{4, 3, 2, 1}, 2},
	} {
		if got := medianOf(tc.values); got != tc.want {
			t.Errorf("median of %v is %g, want %g", tc.values, got, tc.want)
		}
	}
}

func TestBenchReport(t *testing.T) {
	t.Parallel()
	report := Report{
		Machine: Machine{System: "linux/amd64", Cores: 2, Go: "go1.26.0", Postgres: "15.1", Fsync: "on",
			SynchronousCommit: "on", SharedBuffers: "256MB", Redis: "7.0.0"},
		Rows: []Figures{
			{Row: "whois-0ms", Domains: 200_000, Order: &OrderFigures{Seconds: 10, SubmitSeconds: 3.456, Rate: 20_000, Calls: 2000, PerCall: 100},
				RedisPeak: 1_230_000, WorkerPeak: 40_000_000},
			{Row: "register-50ms", Domains: 2000, Limit: 2000, Order: &OrderFigures{Seconds: 2, SubmitSeconds: 0.1, Rate: 1000, Share: 0.5,
				Calls: 40, Checks: 41, PerCall: 50}},
			{Row: "one-domain", Domains: 100_000, Limit: 8000, Alone: &AloneFigures{Seconds: []float64{0.1, 0.3}, Median: 0.1, Worst: 0.3}},
		},
	}
	var b strings.Builder
	if err := report.Print(&b); err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"ROW DOMAINS SECONDS SUBMIT DOMAINS/S LIMIT/S SHARE CALLS PER CALL REDIS WORKER",
		"whois-0ms 200,000 10.00 s 3.46 s 20,000 - - 2,000 100.0 1.2 MB 40.0 MB",
		"register-50ms 2,000 2.00 s 0.10 s 1,000 2,000 0.500 40 + 41 checks 50.0 0.0 MB 0.0 MB",
		"",
		"ROW ORDERS AMONG MEDIAN WORST TARGET REDIS WORKER",
		"one-domain 2 100,000 0.10 s 0.30 s under 1.00 s 0.0 MB 0.0 MB",
		"",
		"MACHINE CORES GO POSTGRES FSYNC SYNCHRONOUS COMMIT SHARED BUFFERS REDIS",
		"linux/amd64 2 go1.26.0 15.1 on on 256MB 7.0.0",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("printed:\n%s", b.String())
	}
}

func FuzzInfoField(f *testing.F) {
	f.Add("# Memory\r\nused_memory:1024\r\nused_memory_human:1K\r\n", "used_memory")
	f.Add("redis_version:7.0.15", "redis_version")
	f.Add("name:a:b\n", "name")
	f.Add(":\n", "")
	f.Fuzz(func(t *testing.T, info, name string) {
		value := infoField(info, name)
		if value != "" && !strings.Contains(info, name+":"+value) {
			t.Errorf("%q of %q is %q", name, info, value)
		}
	})
}

func TestInfoField(t *testing.T) {
	t.Parallel()
	const info = "# Memory\r\nused_memory:1024\r\nused_memory_human:1K\r\nos:Linux:6\r\n"
	for name, want := range map[string]string{"used_memory": "1024", "used_memory_human": "1K", "os": "Linux:6", "memory": "", "": ""} {
		if got := infoField(info, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestParseResidentPeak(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]int64{
		"Name:\tbulkreg\nVmPeak:\t 99 kB\nVmHWM:\t   39020 kB\nVmRSS:\t1 kB\n": 39020 << 10,
		"VmHWM: 1 kB":                   1 << 10,
		"VmHWM:\t0 kB\n":                0,
		"VmHWM:\n":                      -1,
		"VmHWM:\tmuch\n":                -1,
		"VmHWM:\t-5 kB\n":               -1,
		"VmHWM:\t9999999999999999 kB\n": -1,
		"Name:\tVmHWM:\n":               -1,
		"":                              -1,
	} {
		got, ok := parseResident(status, "VmHWM:")
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %t, want %d", status, got, ok, want)
		}
	}
}

func FuzzParseResidentPeak(f *testing.F) {
	f.Add("VmHWM:\t   39020 kB\n")
	f.Add("VmHWM:\t-1 kB\n")
	f.Add("VmHWM:")
	f.Fuzz(func(t *testing.T, status string) {
		if peak, ok := parseResident(status, "VmHWM:"); ok && (peak < 0 || peak%1024 != 0) {
			t.Errorf("%q: %d", status, peak)
		}
	})
}
