package manifests

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// program is bulkreg, built once, with the flags of the image, so that nothing is built twice. It lies in a folder for temporary files
// that the tests share.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bulkreg-manifests")
	if err != nil {
		return "", err
	}
	built := filepath.Join(dir, "bulkreg")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", built, "./cmd/bulkreg")
	build.Dir, build.Env = top, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, said)
	}
	return built, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

// bulkreg runs the program with nothing but these settings.
func bulkreg(t *testing.T, environ []string, args ...string) []byte {
	t.Helper()
	built, err := program()
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), built, args...)
	run.Env = append([]string{"PATH=/nowhere"}, environ...) // an empty list would be this process's
	said, err := run.Output()
	if len(said) == 0 && err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return said
}

// setting is what `bulkreg config -o json` says of one.
type setting struct {
	Variable string
	Default  string
	File     bool
}

func known(t *testing.T) map[string]setting {
	t.Helper()
	var list []setting
	if err := json.Unmarshal(bulkreg(t, nil, "config", "-o", "json"), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]setting{}
	for _, s := range list {
		all[s.Variable] = s
		if s.File {
			all[s.Variable+"_FILE"] = s
		}
	}
	return all
}

// Every variable that a pod of ours has is a setting, or one of Go's.
func TestEverySettingExists(t *testing.T) {
	t.Parallel()
	settings := known(t)
	for _, i := range installations(t) {
		for name := range i.settings(t) {
			if _, ok := settings[name]; !ok {
				t.Errorf("%s: the ConfigMap has %s, which is no setting", i.name, name)
			}
		}
		for _, p := range i.pods() {
			if !p.ours() {
				continue
			}
			for _, c := range append(p.template.Spec.InitContainers, p.template.Spec.Containers...) {
				for _, e := range c.Env {
					if _, ok := settings[e.Name]; !ok && e.Name != "GOMEMLIMIT" && e.Name != "GOMAXPROCS" {
						t.Errorf("%s: %s: %s has %s, which is no setting", i.name, p.name, c.Name, e.Name)
					}
				}
			}
		}
	}
}

// brought is what whoever installs production keeps in secrets, as deploy/README.md says it.
func brought() map[string]string {
	return map[string]string{
		"bulkreg-postgres/url": "postgres://bulkreg:secret@postgres.internal:5432/bulkreg?sslmode=verify-full", "bulkreg-redis/url": "rediss://:secret@redis.internal:6379/0",
		"bulkreg-registrar/client-id": "id", "bulkreg-registrar/client-secret": "secret", "bulkreg-pmg/access-token": "token",
		"bulkreg-encryption/keys": "dHJpYWwtb25seS1rbm93bi10by1ldmVyeWJvZHktMDA=", "bulkreg-keda/connection": "postgresql://scaler:secret@postgres.internal:5432/bulkreg",
	}
}

// secrets are those that an installation makes, or that are brought to it: by secret and key.
func (i installation) secrets() map[string]string {
	all := map[string]string{}
	for _, object := range i.objects {
		if s, ok := object.(*corev1.Secret); ok {
			for key, value := range s.Data {
				all[s.Name+"/"+key] = string(value)
			}
		}
	}
	if len(all) == 0 {
		return brought()
	}
	return all
}

// environment is what a container's process finds: settings from the ConfigMap and the manifest, and files from secrets.
func (i installation) environment(t *testing.T, p pods, c corev1.Container) []string {
	t.Helper()
	dir := t.TempDir()
	secrets := i.secrets()
	for _, v := range p.template.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			for _, item := range source.Secret.Items {
				value, ok := secrets[source.Secret.Name+"/"+item.Key]
				if !ok {
					t.Errorf("%s: %s mounts %s of %s, which nobody makes", i.name, p.name, item.Key, source.Secret.Name)
				}
				if err := os.WriteFile(filepath.Join(dir, item.Path), []byte(value), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var environ []string
	for name, value := range i.settings(t) {
		environ = append(environ, name+"="+value)
	}
	for _, e := range c.Env {
		environ = append(environ, e.Name+"="+strings.Replace(e.Value, "/run/secrets/bulkreg", dir, 1))
	}
	return environ
}

// What a pod finds, its role accepts, and has nothing to warn of.
func TestEveryRoleAcceptsItsSettings(t *testing.T) {
	t.Parallel()
	roles := map[string][]string{"api": {"--for", "api"}, "migrate": {"--for", "cli"}, "worker": {"--for", "worker"}}
	checked := map[string]bool{}
	for _, i := range installations(t) {
		for _, p := range i.pods() {
			if !p.ours() {
				continue
			}
			for _, c := range append(p.template.Spec.InitContainers, p.template.Spec.Containers...) {
				role := append([]string{"config", "--check", "-o", "json"}, roles[c.Args[0]]...)
				if c.Args[0] == "worker" {
					role = append(role, c.Args[1:]...)
				}
				checked[strings.Join(c.Args, " ")] = true
				var found struct{ Wrong, Warnings, Missing []string }
				if err := json.Unmarshal(bulkreg(t, i.environment(t, p, c), role...), &found); err != nil {
					t.Fatal(err)
				}
				if all := slices.Concat(found.Wrong, found.Warnings, found.Missing); len(all) > 0 {
					t.Errorf("%s: %s: %s: %q", i.name, p.name, c.Name, all)
				}
			}
		}
	}
	for _, want := range []string{"api", "migrate", "migrate --wait", "worker --kinds whois", "worker --kinds register", "worker --kinds token"} {
		if !checked[want] {
			t.Errorf("nothing runs %s", want)
		}
	}
}

// number is a setting of an installation, or its default.
func (i installation) number(t *testing.T, name string) float64 {
	t.Helper()
	value, ok := i.settings(t)[name]
	if !ok {
		value = known(t)[name].Default
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// most is how many pods there may be of each deployment.
func (i installation) most() map[string]int {
	all := map[string]int{}
	for _, p := range i.pods() {
		if p.deployment == nil || !p.ours() {
			continue
		}
		all[p.deployment.Name] = 1
		if n := p.deployment.Spec.Replicas; n != nil {
			all[p.deployment.Name] = int(*n)
		}
	}
	for _, object := range i.objects {
		if h, ok := object.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			all[h.Spec.ScaleTargetRef.Name] = int(h.Spec.MaxReplicas)
		}
	}
	for _, c := range i.custom {
		if c.kind.Kind == "ScaledObject" {
			spec := c.object["spec"].(map[string]any)
			all[spec["scaleTargetRef"].(map[string]any)["name"].(string)] = int(spec["maxReplicaCount"].(float64))
		}
	}
	return all
}

// Workers are scaled no further than the registrar's rate lets them all work, and never away.
func TestScalingKeepsToTheRate(t *testing.T) {
	t.Parallel()
	const call = 0.5 // seconds that one takes, at least
	for _, i := range installations(t) {
		for _, c := range i.custom {
			if c.kind.Kind != "ScaledObject" {
				continue
			}
			spec := c.object["spec"].(map[string]any)
			least, most := spec["minReplicaCount"].(float64), spec["maxReplicaCount"].(float64)
			if least < 1 || most < least {
				t.Errorf("%s: from %v to %v", i.name, least, most)
			}
			kind, _ := strings.CutPrefix(spec["scaleTargetRef"].(map[string]any)["name"].(string), "worker-")
			rate, limited := i.settings(t)["REGISTRAR_RATE"]
			if kind == "token" || !limited { // a trial's registrar has no rate
				continue
			}
			allowed, err := strconv.ParseFloat(rate, 64)
			if err != nil {
				t.Fatal(err)
			}
			if useful := math.Ceil(allowed * call / i.number(t, strings.ToUpper(kind)+"_CONCURRENCY")); most > useful {
				t.Errorf("%s: up to %v workers of %s, and %v reach REGISTRAR_RATE=%v", i.name, most, kind, useful, allowed)
			}
		}
	}
}

// deploy/README.md says how many connections Postgres must take: those of all pods, while each deployment has one more.
func TestConnectionsAreCounted(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(top, "deploy/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, i := range installations(t) {
		sum := 0
		for _, pods := range i.most() {
			sum += (pods + 1) * int(i.number(t, "DATABASE_MAX_CONNS"))
		}
		if sum > 100 && strings.Contains(i.name, "dev") && !strings.Contains(i.name, "keda") {
			t.Errorf("%s: up to %d connections, and Postgres takes 100 unless it is told otherwise", i.name, sum)
		}
		most = max(most, sum)
	}
	if want := fmt.Sprintf("up to %d connections", most); !strings.Contains(string(page), want) {
		t.Errorf("deploy/README.md does not say %q", want)
	}
}
