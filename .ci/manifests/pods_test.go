package manifests

import (
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// pods is whatever makes pods of one kind.
type pods struct {
	name       string
	meta       metav1.ObjectMeta
	template   corev1.PodTemplateSpec
	deployment *appsv1.Deployment // nil for what is none
}

// ours reports that they run bulkreg, and not what it needs or something about it.
func (p pods) ours() bool {
	return p.template.Labels["app.kubernetes.io/name"] == "bulkreg" && p.template.Spec.Containers[0].Name == "bulkreg"
}

func (p pods) container() corev1.Container { return p.template.Spec.Containers[0] }

func (i installation) pods() []pods {
	var all []pods
	for _, object := range i.objects {
		switch o := object.(type) {
		case *appsv1.Deployment:
			all = append(all, pods{"deployment " + o.Name, o.ObjectMeta, o.Spec.Template, o})
		case *appsv1.StatefulSet:
			all = append(all, pods{"stateful set " + o.Name, o.ObjectMeta, o.Spec.Template, nil})
		case *batchv1.Job:
			all = append(all, pods{"job " + o.Name, o.ObjectMeta, o.Spec.Template, nil})
		case *batchv1.CronJob:
			all = append(all, pods{"cron job " + o.Name, o.ObjectMeta, o.Spec.JobTemplate.Spec.Template, nil})
		}
	}
	return all
}

// settings are those of the ConfigMap.
func (i installation) settings(t *testing.T) map[string]string {
	t.Helper()
	for _, object := range i.objects {
		if m, ok := object.(*corev1.ConfigMap); ok && strings.HasPrefix(m.Name, "bulkreg-settings") {
			return m.Data
		}
	}
	t.Fatalf("%s has no settings", i.name)
	return nil
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The strictest profile of Kubernetes accepts every pod, and the namespace enforces it.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	judge, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range installations(t) {
		enforced := false
		for _, object := range i.objects {
			if n, ok := object.(*corev1.Namespace); ok {
				enforced = n.Labels[api.EnforceLevelLabel] == string(api.LevelRestricted)
			}
		}
		if !enforced {
			t.Errorf("%s: the namespace does not enforce the restricted profile", i.name)
		}
		for _, p := range i.pods() {
			for _, found := range judge.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &p.template.ObjectMeta, &p.template.Spec) {
				if !found.Allowed {
					t.Errorf("%s: %s: %s: %s", i.name, p.name, found.ForbiddenReason, found.ForbiddenDetail)
				}
			}
		}
	}
}

// What the profile leaves open: the root file system is read-only, the user has a number, no pod has a token, and services do not
// become variables that look like settings.
func TestPodsHaveNoMoreThanTheyNeed(t *testing.T) {
	t.Parallel()
	for _, i := range installations(t) {
		for _, p := range i.pods() {
			spec := p.template.Spec
			if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken || spec.EnableServiceLinks == nil || *spec.EnableServiceLinks ||
				spec.SecurityContext.RunAsUser == nil || *spec.SecurityContext.RunAsUser == 0 {
				t.Errorf("%s: %s: token %v, service links %v, user %v", i.name, p.name, spec.AutomountServiceAccountToken, spec.EnableServiceLinks, spec.SecurityContext.RunAsUser)
			}
			for _, c := range append(spec.InitContainers, spec.Containers...) {
				if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
					t.Errorf("%s: %s: %s may write to its root file system", i.name, p.name, c.Name)
				}
				for _, e := range c.Env {
					if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
						t.Errorf("%s: %s: %s comes from a secret into the environment: mount it", i.name, p.name, e.Name)
					}
				}
			}
			if writable := writableVolumes(p); p.ours() && strings.Join(writable, " ") != map[string]string{"deployment api": "/tmp"}[p.name] {
				t.Errorf("%s: %s may write to %q", i.name, p.name, writable)
			}
		}
	}
}

func writableVolumes(p pods) []string {
	var writable []string
	for _, m := range p.container().VolumeMounts {
		if !m.ReadOnly {
			writable = append(writable, m.MountPath)
		}
	}
	return writable
}

// A call ends before a worker stops, that before its setting, and that before Kubernetes kills the pod. The program itself refuses a setting
// that is shorter than it takes to stop: twice a call and 15 s.
func TestThereIsTimeToStop(t *testing.T) {
	t.Parallel()
	const requestsUnderWay = 30 * time.Second // of the API
	for _, i := range installations(t) {
		settings := i.settings(t)
		call, stop := duration(t, settings["UPSTREAM_TIMEOUT"]), duration(t, settings["TERMINATION_GRACE_PERIOD"])
		workers := 0
		for _, p := range i.pods() {
			if p.deployment == nil || !p.ours() {
				continue
			}
			grace := time.Duration(*p.template.Spec.TerminationGracePeriodSeconds) * time.Second
			if strings.HasPrefix(p.name, "deployment worker-") {
				workers++
				if drain := 2*call + 15*time.Second; call >= drain || drain >= stop || stop >= grace {
					t.Errorf("%s: %s: a call %v, stopping %v, TERMINATION_GRACE_PERIOD %v, the pod %v: each must be less than the next", i.name, p.name, call, drain, stop, grace)
				}
				continue
			}
			if pause := time.Duration(p.container().Lifecycle.PreStop.Sleep.Seconds) * time.Second; pause == 0 || grace <= pause+requestsUnderWay {
				t.Errorf("%s: %s: it pauses %v, requests get %v, and the pod %v", i.name, p.name, pause, requestsUnderWay, grace)
			}
		}
		if workers != 3 {
			t.Errorf("%s has %d workers", i.name, workers)
		}
	}
}

// Go keeps within the memory and the processors that Kubernetes allows.
func TestGoKnowsItsLimits(t *testing.T) {
	t.Parallel()
	for _, i := range installations(t) {
		for _, p := range i.pods() {
			for _, c := range append(p.template.Spec.InitContainers, p.template.Spec.Containers...) {
				if !strings.Contains(c.Image, "bulkreg:") {
					continue
				}
				env := map[string]corev1.EnvVar{}
				for _, e := range c.Env {
					env[e.Name] = e
				}
				mebibytes, err := strconv.ParseInt(strings.TrimSuffix(env["GOMEMLIMIT"].Value, "MiB"), 10, 64)
				if limit := c.Resources.Limits.Memory().Value() >> 20; err != nil || mebibytes*100 < limit*80 || mebibytes*100 > limit*90 {
					t.Errorf("%s: %s: %s: GOMEMLIMIT is %q, and the limit %d MiB", i.name, p.name, c.Name, env["GOMEMLIMIT"].Value, limit)
				}
				if from := env["GOMAXPROCS"].ValueFrom; from == nil || from.ResourceFieldRef == nil || from.ResourceFieldRef.Resource != "limits.cpu" ||
					from.ResourceFieldRef.ContainerName != c.Name || from.ResourceFieldRef.Divisor.Value() != 1 || c.Resources.Limits.Cpu().MilliValue()%1000 != 0 {
					t.Errorf("%s: %s: %s: GOMAXPROCS does not follow its limit %v", i.name, p.name, c.Name, c.Resources.Limits.Cpu())
				}
			}
		}
	}
}

// Two neighbouring versions work beside each other, and there are never fewer pods than before. A database that is away makes nobody restart.
func TestDeploymentsAreReplacedInOrder(t *testing.T) {
	t.Parallel()
	for _, i := range installations(t) {
		for _, p := range i.pods() {
			if p.deployment == nil || !p.ours() {
				continue
			}
			s := p.deployment.Spec.Strategy.RollingUpdate
			if s == nil || s.MaxUnavailable.IntValue() != 0 || s.MaxSurge.IntValue() != 1 {
				t.Errorf("%s: %s: strategy %+v", i.name, p.name, p.deployment.Spec.Strategy)
			}
			c := p.container()
			if c.StartupProbe.HTTPGet.Path != "/healthz" || c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
				t.Errorf("%s: %s asks other probes", i.name, p.name)
			}
			if first := p.template.Spec.InitContainers; len(first) != 1 || strings.Join(first[0].Args, " ") != "migrate --wait" {
				t.Errorf("%s: %s does not wait for the migration", i.name, p.name)
			}
			if !i.hasBudget(t, p.template.Labels) || len(p.template.Spec.TopologySpreadConstraints) != 2 {
				t.Errorf("%s: %s has no budget, or is not spread", i.name, p.name)
			}
		}
	}
}

func (i installation) hasBudget(t *testing.T, of map[string]string) bool {
	t.Helper()
	found := 0
	for _, object := range i.objects {
		if b, ok := object.(*policyv1.PodDisruptionBudget); ok && selects(t, b.Spec.Selector, of) {
			found++
		}
	}
	return found == 1
}

func selects(t *testing.T, selector *metav1.LabelSelector, of map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(of))
}

// Nothing comes in or goes out but where a policy allows it, each role reaches what it needs and nothing more, and policies select something.
func TestWaysThroughTheNetwork(t *testing.T) {
	t.Parallel()
	out := map[string]string{
		"deployment api": "to-dns to-postgres", "deployment worker-whois": "to-dns to-postgres to-redis to-upstream",
		"deployment worker-register": "to-dns to-postgres to-redis to-upstream", "deployment worker-token": "to-dns to-postgres to-redis to-upstream",
		"job migrate": "to-dns to-postgres", "cron job bulkreg-vulncheck": "to-dns to-upstream",
	}
	for _, i := range installations(t) {
		denied, all := false, i.pods()
		ways := map[string][]string{}
		for _, object := range i.objects {
			n, ok := object.(*networkingv1.NetworkPolicy)
			if !ok {
				continue
			}
			if n.Name == "default-deny" {
				denied = len(n.Spec.PodSelector.MatchLabels) == 0 && len(n.Spec.PolicyTypes) == 2 && n.Spec.Ingress == nil && n.Spec.Egress == nil
				continue
			}
			used := false
			for _, p := range all {
				if !selects(t, &n.Spec.PodSelector, p.template.Labels) {
					continue
				}
				used = true
				if len(n.Spec.Egress) > 0 {
					ways[p.name] = append(ways[p.name], n.Name)
				}
			}
			if !used {
				t.Errorf("%s: the policy %s selects nothing", i.name, n.Name)
			}
		}
		for _, p := range all {
			if got := strings.Join(ways[p.name], " "); !denied || got != out[p.name] {
				t.Errorf("%s: %s (denied by default: %v) may go out by %q, want %q", i.name, p.name, denied, got, out[p.name])
			}
		}
	}
}

// Production makes no secrets: whoever installs it brings them.
func TestProductionHasNoSecrets(t *testing.T) {
	t.Parallel()
	for _, i := range installations(t) {
		for _, object := range i.objects {
			if s, ok := object.(*corev1.Secret); ok && strings.Contains(i.name, "production") {
				t.Errorf("%s makes %s", i.name, s.Name)
			}
		}
	}
}
