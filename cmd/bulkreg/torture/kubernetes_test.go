package torture

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// podTimes are how Kubernetes starts and ends a pod, as the manifests say it.
type podTimes struct {
	startup, readiness podProbe
	preStop            time.Duration // between the pod's deletion and SIGTERM
	grace              time.Duration // between the pod's deletion and SIGKILL
}

// podProbe is how Kubernetes asks a pod.
type podProbe struct {
	path     string
	port     string // its name
	period   time.Duration
	timeout  time.Duration
	failures int // in a row, until it counts
}

// manifest is a file of deploy/kubernetes.
func manifest(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../deploy/kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// timesOf reads them in a manifest. Tests in .ci/manifests see that nothing changes them on their way into a cluster.
func timesOf(t *testing.T, name string) podTimes {
	t.Helper()
	text := manifest(t, name)
	times := podTimes{
		startup: probeOf(t, text, "startupProbe"), readiness: probeOf(t, text, "readinessProbe"),
		grace: secondsOf(t, text, `terminationGracePeriodSeconds: (\d+)`, 0),
	}
	if regexp.MustCompile(`preStop:`).MatchString(text) {
		times.preStop = secondsOf(t, text, `preStop:\s+sleep: \{seconds: (\d+)\}`, 0)
	}
	return times
}

func probeOf(t *testing.T, text, name string) podProbe {
	t.Helper()
	found := regexp.MustCompile(name + `:\s+httpGet: \{path: (\S+), port: (\w+)\}\n((?:\s+\w+: \d+\n)+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("there is no %s", name)
	}
	const unsaid = time.Second // Kubernetes' own
	return podProbe{
		path: found[1], port: found[2], period: secondsOf(t, found[3], `periodSeconds: (\d+)`, 0), timeout: secondsOf(t, found[3], `timeoutSeconds: (\d+)`, unsaid),
		failures: int(secondsOf(t, found[3], `failureThreshold: (\d+)`, 0) / time.Second),
	}
}

// secondsOf reads the one number of a pattern; unsaid stands where there is none, if that may be.
func secondsOf(t *testing.T, text, pattern string, unsaid time.Duration) time.Duration {
	t.Helper()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
	if len(found) == 0 && unsaid > 0 {
		return unsaid
	}
	if len(found) != 1 {
		t.Fatalf("%q is there %d times", pattern, len(found))
	}
	n, err := strconv.Atoi(found[0][1])
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Second
}

// argsOf is what a pod of a manifest runs.
func argsOf(t *testing.T, name string) []string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^ +args: \[(.+)\]$`).FindStringSubmatch(manifest(t, name))
	if found == nil {
		t.Fatalf("%s runs nothing", name)
	}
	return strings.Split(found[1], ", ")
}

// settingOf is a setting of every installation.
func settingOf(t *testing.T, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^ +- ` + name + `=(\S+)$`).FindStringSubmatch(manifest(t, "base/kustomization.yaml"))
	if found == nil {
		t.Fatalf("there is no %s", name)
	}
	return found[1]
}

func TestTimesOfManifests(t *testing.T) {
	t.Parallel()
	ready := podProbe{path: "/readyz", port: "http", period: 5 * time.Second, timeout: 5 * time.Second, failures: 2}
	want := podTimes{
		startup: podProbe{path: "/healthz", port: "http", period: 2 * time.Second, timeout: time.Second, failures: 60}, readiness: ready,
		preStop: 5 * time.Second, grace: 45 * time.Second,
	}
	if got := timesOf(t, "base/api.yaml"); got != want {
		t.Errorf("the API: %+v, want %+v", got, want)
	}
	ready.port = "metrics"
	want = podTimes{
		startup: podProbe{path: "/healthz", port: "metrics", period: 2 * time.Second, timeout: time.Second, failures: 30}, readiness: ready, grace: 100 * time.Second,
	}
	if got := timesOf(t, "base/patches/worker.yaml"); got != want {
		t.Errorf("workers: %+v, want %+v", got, want)
	}
}
