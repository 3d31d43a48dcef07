package secrets

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/flowcert/flowcert/yamledit"
)

// manifest is a v1 Secret as kubectl applies it.
type manifest struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Type       string            `json:"type,omitempty"`
	Immutable  bool              `json:"immutable,omitempty"`
	Data       map[string][]byte `json:"data,omitempty"`
	StringData map[string]string `json:"stringData,omitempty"`
}

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// encode writes the Secret as a manifest.
func encode(s *Secret) ([]byte, error) {
	kind := s.Type
	if kind == "" {
		kind = "Opaque"
	}
	out, err := yaml.Marshal(manifest{
		APIVersion: "v1", Kind: "Secret",
		Metadata:  metadata{Name: s.Name, Namespace: s.Namespace, Labels: s.Labels, Annotations: s.Annotations},
		Type:      kind,
		Immutable: s.Immutable,
		Data:      s.Data,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Ref, err)
	}
	return out, nil
}

// secretFrom reads a decoded manifest of kind Secret; stringData wins over data
// as it does in the API server.
func secretFrom(obj map[string]any, namespace, file string) (*Secret, error) {
	name, ns, labels, annotations := objectMeta(obj)
	if ns == "" {
		ns = namespace
	}
	if name == "" {
		return nil, errors.New("metadata.name is missing")
	}
	s := &Secret{Ref: Ref{Namespace: ns, Name: name}, Labels: labels, Annotations: annotations, File: file, Data: map[string][]byte{}}
	s.Type, _ = obj["type"].(string)
	s.Immutable, _ = obj["immutable"].(bool)
	data, err := stringMap(obj, "data")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Ref, err)
	}
	for k, v := range data {
		raw, err := base64.StdEncoding.DecodeString(stripSpace(v))
		if err != nil {
			return nil, fmt.Errorf("%s: key %q is not base64", s.Ref, k)
		}
		s.Data[k] = raw
	}
	plain, err := stringMap(obj, "stringData")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Ref, err)
	}
	for k, v := range plain {
		s.Data[k] = []byte(v)
	}
	return s, nil
}

func objectMeta(obj map[string]any) (name, namespace string, labels, annotations map[string]string) {
	m, _ := obj["metadata"].(map[string]any)
	name, _ = m["name"].(string)
	namespace, _ = m["namespace"].(string)
	labels, _ = stringMap(m, "labels") // what is no string there is none of ours
	annotations, _ = stringMap(m, "annotations")
	return name, namespace, labels, annotations
}

// stringMap reads a field that maps strings to strings. What else stands in it
// is left out and named in the error, as the API server would refuse it.
func stringMap(obj map[string]any, field string) (map[string]string, error) {
	m, ok := obj[field].(map[string]any)
	if obj[field] != nil && !ok {
		return map[string]string{}, fmt.Errorf("%s is not a map", field)
	}
	out := make(map[string]string, len(m))
	var wrong []string
	for k, v := range m {
		switch v := v.(type) {
		case string:
			out[k] = v
		case nil:
		default:
			wrong = append(wrong, k)
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return out, fmt.Errorf("%s: key %q is not a string; quote its value", field, wrong[0])
	}
	return out, nil
}

func stripSpace(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '\n' && c != ' ' && c != '\r' && c != '\t' {
			out = append(out, c)
		}
	}
	return string(out)
}

// Parse reads the Secrets in a stream of manifests; other kinds are passed over.
func Parse(data []byte) ([]*Secret, error) {
	var out []*Secret
	for _, doc := range yamledit.Split(data) {
		obj, err := yamledit.Decode(doc.Bytes)
		if errors.Is(err, yamledit.ErrEmpty) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if obj["kind"] != "Secret" {
			continue
		}
		s, err := secretFrom(obj, "", "")
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
