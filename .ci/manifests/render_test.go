package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"sigs.k8s.io/yaml"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// installation is what an overlay becomes, with or without components.
type installation struct {
	name    string
	yaml    []byte
	objects []runtime.Object // Kubernetes' own
	custom  []custom         // those of operators
}

// custom is an object of a kind that an operator brings.
type custom struct {
	kind   schema.GroupVersionKind
	object map[string]any
}

// installations are every overlay, and each with all components, as somebody would render them who refers to them. Decoding is strict: a
// field that does not exist is an error, and so is one that is there twice.
func installations(t *testing.T) []installation {
	t.Helper()
	all, err := rendered()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 4 {
		t.Fatalf("found %d installations", len(all))
	}
	return all
}

// rendered is done once: tests only read.
var rendered = sync.OnceValues(func() ([]installation, error) {
	components, err := folders("components")
	if err != nil {
		return nil, err
	}
	overlays, err := folders("overlays")
	if err != nil {
		return nil, err
	}
	var all []installation
	for _, overlay := range overlays {
		for _, with := range [][]string{nil, components} {
			i, err := render(overlay, with)
			if err != nil {
				return nil, err
			}
			all = append(all, i)
		}
	}
	return all, nil
})

// folders are those in a folder of deploy/kubernetes.
func folders(in string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(top, "deploy/kubernetes", in))
	var all []string
	for _, e := range entries {
		all = append(all, filepath.Join(in, e.Name()))
	}
	return all, err
}

func render(overlay string, components []string) (installation, error) {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		return installation{}, err
	}
	defer os.RemoveAll(dir)
	i := installation{name: strings.TrimSpace(overlay + " " + strings.Join(components, " "))}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return i, err
	}
	manifests, err := filepath.Abs(filepath.Join(top, "deploy/kubernetes"))
	if err != nil {
		return i, err
	}
	way, err := filepath.Rel(dir, manifests)
	if err != nil {
		return i, err
	}
	// Components put nothing into a namespace: whoever adds them says which.
	namespace := map[string]string{"overlays/dev": "bulkreg-dev", "overlays/production": "bulkreg"}[overlay]
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: " + namespace + "\nresources: [" + way + "/" + overlay + "]\n"
	if len(components) > 0 {
		text += "components: [" + way + "/" + strings.Join(components, ", "+way+"/") + "]\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		return i, err
	}
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return i, fmt.Errorf("%s: %w", i.name, err)
	}
	if i.yaml, err = made.AsYaml(); err != nil {
		return i, err
	}
	for _, resource := range made.Resources() {
		text, err := resource.AsYAML()
		if err == nil {
			err = i.add(text)
		}
		if err != nil {
			return i, fmt.Errorf("%s: %w in\n%s", i.name, err, text)
		}
	}
	return i, nil
}

// add decodes an object.
func (i *installation) add(text []byte) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	object, kind, err := strict.Decode(text, nil, nil)
	switch {
	case err == nil:
		i.objects = append(i.objects, object)
	case runtime.IsNotRegisteredError(err) && kind != nil:
		one := custom{kind: *kind}
		if err := yaml.UnmarshalStrict(text, &one.object); err != nil {
			return err
		}
		i.custom = append(i.custom, one)
	default:
		return err
	}
	return nil
}

// A field that Kubernetes does not know is found.
func TestDecodingIsStrict(t *testing.T) {
	t.Parallel()
	var i installation
	err := i.add([]byte("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nautomountServiceAcountToken: false\n"))
	if err == nil || !strings.Contains(err.Error(), "automountServiceAcountToken") {
		t.Errorf("a misspelled field: %v", err)
	}
}
