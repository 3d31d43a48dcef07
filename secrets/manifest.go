package secrets

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/flowcert/flowcert/yamledit"
)

// encode writes the Secret as a manifest, as kubectl applies it.
func encode(s *Secret) ([]byte, error) {
	if err := s.CheckSize(); err != nil {
		return nil, err
	}
	out, err := yamledit.Encode(s.Object())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Ref, err)
	}
	return out, nil
}

// Object is the Secret as Kubernetes' API has it, in plain values.
func (s *Secret) Object() map[string]any {
	meta := map[string]any{"name": s.Name, "namespace": s.Namespace}
	if len(s.Labels) > 0 {
		meta["labels"] = anyMap(s.Labels)
	}
	if len(s.Annotations) > 0 {
		meta["annotations"] = anyMap(s.Annotations)
	}
	obj := map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": cmp.Or(s.Type, "Opaque"),
		"metadata": meta,
	}
	if s.Immutable {
		obj["immutable"] = true
	}
	if len(s.Data) > 0 {
		data := make(map[string]any, len(s.Data))
		for k, v := range s.Data {
			data[k] = base64.StdEncoding.EncodeToString(v)
		}
		obj["data"] = data
	}
	return obj
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// FromObject reads a Secret from plain values, as the API server returns it.
func FromObject(obj map[string]any) (*Secret, error) {
	s, err := secretFrom(obj, "", "")
	if err != nil {
		return nil, err
	}
	meta, _ := obj["metadata"].(map[string]any)
	s.UID, _ = meta["uid"].(string)
	s.ResourceVersion, _ = meta["resourceVersion"].(string)
	s.Handed = dataTime(meta)
	return s, nil
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
	for _, doc := range documents(data) {
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
