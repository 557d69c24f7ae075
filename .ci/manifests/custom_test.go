package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The operators' own descriptions of their kinds, from their modules: the Go types of these would be ten times as much to build.
const (
	keda       = "github.com/kedacore/keda/v2@v2.20.2"
	prometheus = "github.com/prometheus-operator/prometheus-operator@v0.91.0"
)

// module is the folder of a module that is no dependency of anything.
func module(t *testing.T, name string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", name).Output()
	if err != nil {
		t.Fatalf("download %s: %v: %s", name, err, said)
	}
	var known struct{ Dir string }
	if err := json.Unmarshal(said, &known); err != nil {
		t.Fatal(err)
	}
	return known.Dir
}

// schemas are those of the kinds of an operator, by kind.
func schemas(t *testing.T, folder string, files ...string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		var definition struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct{ OpenAPIV3Schema map[string]any }
				}
			}
		}
		if err := yaml.Unmarshal(text, &definition); err != nil {
			t.Fatal(err)
		}
		all[definition.Spec.Names.Kind] = definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	return all
}

// Objects of operators have the fields that these describe, and no others.
func TestCustomObjects(t *testing.T) {
	t.Parallel()
	known := schemas(t, module(t, keda), "config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml")
	for kind, schema := range schemas(t, module(t, prometheus), "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
		"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml") {
		known[kind] = schema
	}
	found := 0
	for _, i := range installations(t) {
		for _, c := range i.custom {
			found++
			schema, ok := known[c.kind.Kind]
			if !ok {
				t.Errorf("%s: nobody describes %s", i.name, c.kind)
				continue
			}
			for _, wrong := range against(schema, c.object, c.kind.Kind) {
				t.Errorf("%s: %s", i.name, wrong)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d objects of operators", found)
	}
}

// A description is not only read: it finds what is wrong.
func TestCustomObjectsAreJudged(t *testing.T) {
	t.Parallel()
	known := schemas(t, module(t, keda), "config/crd/bases/keda.sh_scaledobjects.yaml")["ScaledObject"]
	var wrong map[string]any
	if err := yaml.Unmarshal([]byte("spec: {minReplicas: 1, maxReplicaCount: many, scaleTargetRef: {kind: Deployment}, triggers: [{type: postgresql, metadata: {a: 1}}]}"), &wrong); err != nil {
		t.Fatal(err)
	}
	want := "x.spec.maxReplicaCount is no integer; x.spec.minReplicas is no field; x.spec.scaleTargetRef lacks name; x.spec.triggers[0].metadata.a is no string"
	if got := strings.Join(against(known, wrong, "x"), "; "); got != want {
		t.Errorf("%s", got)
	}
}

// against compares a value with a structural schema, and says what is wrong.
func against(schema map[string]any, value any, at string) []string {
	var wrong []string
	wordOf := map[string]bool{}
	switch v := value.(type) {
	case map[string]any:
		wordOf["object"] = true
		wrong = append(wrong, objectAgainst(schema, v, at)...)
	case []any:
		wordOf["array"] = true
		items, _ := schema["items"].(map[string]any)
		for i, item := range v {
			wrong = append(wrong, against(items, item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case string:
		wordOf["string"] = true
	case bool:
		wordOf["boolean"] = true
	case float64:
		wordOf["number"], wordOf["integer"] = true, v == float64(int64(v))
	}
	if kind, typed := schema["type"].(string); typed && !wordOf[kind] {
		wrong = append(wrong, at+" is no "+kind)
	}
	if words, ok := schema["enum"].([]any); ok && !slices.Contains(words, value) {
		wrong = append(wrong, fmt.Sprintf("%s is none of %v", at, words))
	}
	return wrong
}

func objectAgainst(schema, object map[string]any, at string) []string {
	if schema["x-kubernetes-preserve-unknown-fields"] == true {
		return nil
	}
	var wrong []string
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := object[name.(string)]; !ok {
			wrong = append(wrong, at+" lacks "+name.(string))
		}
	}
	fields, _ := schema["properties"].(map[string]any)
	others, open := schema["additionalProperties"].(map[string]any)
	names := []string{}
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		field, known := fields[name].(map[string]any)
		switch {
		case known:
			wrong = append(wrong, against(field, object[name], at+"."+name)...)
		case open:
			wrong = append(wrong, against(others, object[name], at+"."+name)...)
		case len(fields) > 0: // without any, as of metadata, nothing is described
			wrong = append(wrong, at+"."+name+" is no field")
		}
	}
	return wrong
}
