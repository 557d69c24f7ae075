package manifests

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/zegl/kube-score/config"
	ks "github.com/zegl/kube-score/domain"
	"github.com/zegl/kube-score/parser"
	"github.com/zegl/kube-score/score"
	"github.com/zegl/kube-score/score/checks"
	"github.com/zegl/kube-score/scorecard"
)

// exception is what kube-score would have otherwise, where, and why it is not. What is empty is everything.
type exception struct{ check, in, of, why string }

func exceptions() []exception {
	return []exception{
		{"container-image-pull-policy", "", "", "images are named by digest, or by a version that is built once: to pull them at each start makes starts depend on the registry"},
		{"container-security-context-user-group-id", "dev", "statefulset", "the users that the images of Postgres and Redis are made for"},
		{"deployment-has-host-podantiaffinity", "", "deployment", "topologySpreadConstraints do that, by node and by zone, and do not count the pods of the version before"},
		{"deployment-replicas", "dev", "deployment", "a trial has one of each"},
		{"deployment-replicas", "keda", "deployment worker", "KEDA says how many"},
		{"deployment-strategy", "dev", "deployment sandbox", "two of them would keep two ledgers"},
		{"statefulset-has-host-podantiaffinity", "dev", "statefulset", "a trial has one of each"},
		{"statefulset-has-poddisruptionbudget", "dev", "statefulset", "a trial has one of each, and its nodes must be drained all the same"},
	}
}

func (e exception) covers(i installation, name, check string) bool {
	return e.check == check && strings.Contains(i.name, e.in) && strings.HasPrefix(name, e.of)
}

type manifest struct{ io.Reader }

func (manifest) Name() string { return "rendered.yaml" }

// kube-score finds nothing but what is excepted, and every exception is one.
func TestScore(t *testing.T) {
	t.Parallel()
	used := map[int]bool{}
	for _, i := range installations(t) {
		read, err := parser.New(&parser.Config{})
		if err != nil {
			t.Fatal(err)
		}
		objects, err := read.ParseFiles([]ks.NamedReader{manifest{bytes.NewReader(i.yaml)}})
		if err != nil {
			t.Fatal(err)
		}
		run := &config.RunConfiguration{KubernetesVersion: config.Semver{Major: 1, Minor: 30}, MinReplicasDeployment: 2, MinReplicasHPA: 2}
		card, err := score.Score(objects, score.RegisterAllChecks(objects, &checks.Config{}, run), run)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range *card {
			for _, c := range o.Checks {
				if c.Skipped || c.Grade > scorecard.GradeWarning {
					continue
				}
				name := strings.ToLower(o.TypeMeta.Kind) + " " + o.ObjectMeta.Name
				except := slices.IndexFunc(exceptions(), func(e exception) bool { return e.covers(i, name, c.Check.ID) })
				if used[except] = true; except >= 0 {
					continue
				}
				for _, comment := range c.Comments {
					t.Errorf("%s: %s: %s: %s %s", i.name, name, c.Check.ID, comment.Path, comment.Summary)
				}
			}
		}
	}
	for n, e := range exceptions() {
		if !used[n] {
			t.Errorf("the exception from %s (%s) is for nothing", e.check, e.why)
		}
	}
}
