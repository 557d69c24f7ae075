package manifests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const ruleObject = "deploy/kubernetes/components/prometheusrule/prometheusrule.yaml"

// The alerts have one source, deploy/prometheus/rules.yaml, and the object is what is made from it now.
func TestPrometheusRuleIsMadeFromTheRules(t *testing.T) {
	t.Parallel()
	kept, err := os.ReadFile(filepath.Join(top, ruleObject))
	if err != nil {
		t.Fatal(err)
	}
	made, err := exec.CommandContext(t.Context(), filepath.Join(top, ".ci/prometheusrule")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, made) {
		t.Errorf("%s is not what the rules make it: .ci/prometheusrule > %[1]s", ruleObject)
	}
}

// Every installation with the component has exactly these alerts, word for word.
func TestPrometheusRuleHasEveryAlert(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(top, "deploy/prometheus/rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rules map[string]any
	if err := yaml.UnmarshalStrict(text, &rules); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, i := range installations(t) {
		for _, c := range i.custom {
			if c.kind.Kind != "PrometheusRule" {
				continue
			}
			found++
			if !reflect.DeepEqual(c.object["spec"], any(rules)) {
				t.Errorf("%s: the PrometheusRule and deploy/prometheus/rules.yaml differ", i.name)
			}
			if namespace := c.object["metadata"].(map[string]any)["namespace"]; !strings.HasPrefix(namespace.(string), "bulkreg") {
				t.Errorf("%s: the PrometheusRule is in namespace %v", i.name, namespace)
			}
		}
	}
	if found != 2 {
		t.Errorf("found it in %d installations", found)
	}
}
