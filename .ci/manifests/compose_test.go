package manifests

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose loads deploy/compose.yaml as Docker Compose does: by its schema, with nothing of this environment.
func compose(t *testing.T) *types.Project {
	t.Helper()
	path := filepath.Join(top, "deploy/compose.yaml")
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: filepath.Dir(path), ConfigFiles: []types.ConfigFile{{Filename: path}}, Environment: types.Mapping{},
	}, func(o *loader.Options) { o.SetProjectName("bulkreg-trial", true) })
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// Each service begins when what it needs is well, and says itself whether it is.
func TestComposeStartsInOrder(t *testing.T) {
	t.Parallel()
	const well, done = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	needs := map[string]map[string]string{
		"postgres": {}, "redis": {}, "sandbox": {}, "migrate": {"postgres": well}, "api": {"migrate": done},
		"worker": {"migrate": done, "redis": well, "sandbox": well},
	}
	project := compose(t)
	if got, want := slices.Sorted(maps.Keys(project.Services)), slices.Sorted(maps.Keys(needs)); !slices.Equal(got, want) {
		t.Fatalf("services %q, want %q", got, want)
	}
	for name, s := range project.Services {
		got := map[string]string{}
		for on, d := range s.DependsOn {
			got[on] = d.Condition
		}
		if !maps.Equal(got, needs[name]) {
			t.Errorf("%s needs %v, want %v", name, got, needs[name])
		}
		if checks := s.HealthCheck != nil && !s.HealthCheck.Disable; checks == (name == "migrate") {
			t.Errorf("%s: a health check is %v", name, s.HealthCheck)
		}
		if s.Build != nil && (!s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true")) {
			t.Errorf("%s may do more than it needs", name)
		}
	}
}

// The settings of each role are accepted, and warn of nothing.
func TestComposeSettings(t *testing.T) {
	t.Parallel()
	settings, project := known(t), compose(t)
	for name, role := range map[string]string{"api": "api", "migrate": "cli", "worker": "worker"} {
		var environ []string
		for variable, value := range project.Services[name].Environment {
			if _, ok := settings[variable]; !ok {
				t.Errorf("%s has %s, which is no setting", name, variable)
			}
			environ = append(environ, variable+"="+*value)
		}
		var found struct{ Wrong, Warnings, Missing []string }
		if err := json.Unmarshal(bulkreg(t, environ, "config", "--check", "-o", "json", "--for", role), &found); err != nil {
			t.Fatal(err)
		}
		if all := slices.Concat(found.Wrong, found.Warnings, found.Missing); len(all) > 0 {
			t.Errorf("%s: %q", name, all)
		}
	}
	worker := project.Services["worker"]
	call, stop := duration(t, *worker.Environment["UPSTREAM_TIMEOUT"]), duration(t, *worker.Environment["TERMINATION_GRACE_PERIOD"])
	if drain, killed := 2*call+15*time.Second, time.Duration(*worker.StopGracePeriod); drain >= stop || stop >= killed {
		t.Errorf("stopping takes up to %v, may take %v, and it is killed after %v: each must be less than the next", drain, stop, killed)
	}
	redis := strings.Join(project.Services["redis"].Command, " ")
	if !strings.Contains(redis, "--appendonly yes") || !strings.Contains(redis, "--maxmemory-policy noeviction") {
		t.Errorf("Redis forgets: %s", redis)
	}
}

// Nobody takes what is here for production's: passwords say what they are, and no port is open to other machines.
func TestComposeIsATrial(t *testing.T) {
	t.Parallel()
	project := compose(t)
	for name, s := range project.Services {
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q", name, p.Published, p.HostIP)
			}
		}
		for variable, value := range s.Environment {
			secret := strings.Contains(variable, "PASSWORD") || strings.HasSuffix(variable, "_AUTH") || strings.HasSuffix(variable, "SECRET") ||
				variable == "DATABASE_URL" || variable == "REDIS_URL" || variable == "PMG_ACCESS_TOKEN"
			if secret && !strings.Contains(*value, "trial-only") && !strings.HasPrefix(*value, "demo-") {
				t.Errorf("%s: %s does not say that it is for a trial: %s", name, variable, *value)
			}
		}
	}
	for _, store := range []string{"postgres", "redis"} {
		if s := project.Services[store]; len(s.Ports) > 0 || len(s.Networks) != 1 || !project.Networks["stores"].Internal {
			t.Errorf("%s is reached from elsewhere", store)
		}
	}
}
