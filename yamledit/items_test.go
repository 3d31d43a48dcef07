package yamledit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lists are documents with the same two items, as kubectl get and people write them.
var lists = map[string]string{
	"kubectl":       "apiVersion: v1\nitems:\n- kind: A\n  spec:\n    num: 1\n- kind: B\n  spec:\n    num: 1\nkind: List\nmetadata:\n  resourceVersion: \"\"\n",
	"indented":      "kind: List\nitems: # two\n  # the first\n  - kind: A\n    spec: {num: 1}\n  # the second\n\n  - kind: B\n    spec:\n      num: 1",
	"json":          "{\n  \"items\": [\n    {\n      \"kind\": \"A\",\n      \"spec\": {\"num\": 1}\n    },\n    {\"kind\": \"B\", \"spec\": {\n        \"num\": 1\n    }}\n  ],\n  \"kind\": \"List\"\n}\n",
	"one line":      `{"items":[{"kind":"A","spec":{"num":1}},{"kind":"B","spec":{"num":1}}],"kind":"List"}`,
	"CRLF":          "items:\r\n- kind: A\r\n  spec:\r\n    num: 1\r\n- kind: B\r\n  spec: {num: 1}\r\nkind: List\r\n",
	"wide dash":     "--- # c\nitems:\n-   kind: A\n    spec: {num: 1}\n-\n    kind: B\n    spec: {num: 1}\n...\n",
	"anchor inside": "items:\n- &a\n  kind: A\n  spec: &s {num: 1}\n- kind: B\n  spec: {num: 1}\n",
}

func TestItems(t *testing.T) {
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			stream := []byte("# first\nkind: Other\n---\n" + list)
			if strings.HasPrefix(list, "---") {
				stream = []byte("kind: Other\n" + list)
			}
			for i, kind := range []string{"A", "B"} {
				docs := Split(stream)
				items, err := docs[len(docs)-1].Items()
				if err != nil || len(items) != 2 {
					t.Fatalf("%d items, %v", len(items), err)
				}
				got, err := Decode(items[i].Bytes)
				if err != nil {
					t.Fatalf("%v\n%s", err, items[i].Bytes)
				}
				if diff := cmp.Diff(map[string]any{"kind": kind, "spec": map[string]any{"num": int64(1)}}, got); diff != "" {
					t.Error(diff)
				}
				if line := strings.Count(string(stream[:strings.Index(string(stream), kind)]), "\n") + 1; items[i].Line > line || items[i].Line < line-2 {
					t.Errorf("item %d: line %d, and its kind stands in %d", i, items[i].Line, line)
				}
				edited, undos, err := Apply(items[i].Bytes, []Edit{set(t, "spec.more", "x"), set(t, "metadata.annotations.a", "b")})
				if err != nil {
					t.Fatal(err)
				}
				out, err := items[i].Replace(stream, edited)
				if err != nil {
					t.Fatal(err)
				}
				whole, err := Decode(Split(out)[len(docs)-1].Bytes)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				want := map[string]any{"kind": kind, "spec": map[string]any{"num": int64(1), "more": "x"}, "metadata": map[string]any{"annotations": map[string]any{"a": "b"}}}
				if diff := cmp.Diff(want, whole["items"].([]any)[i]); diff != "" {
					t.Errorf("%s\n%s", diff, out)
				}
				checkRevert(t, string(items[i].Bytes), string(edited), undos)
				stream = out
			}
		})
	}
}

func TestNoItems(t *testing.T) {
	for _, text := range []string{"kind: List\n", "items: {a: 1}\n", "a: &x [1]\nitems: *x\n", "items:\n", "items: [\n"} {
		if items, err := Split([]byte(text))[0].Items(); err == nil {
			t.Errorf("%q has items %v", text, items)
		}
	}
}

func TestReplaceWantsTheDash(t *testing.T) {
	stream := []byte("items:\n- kind: A\n")
	items, err := Split(stream)[0].Items()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "kind: A\n", "#\n  kind: A\n"} {
		if out, err := items[0].Replace(stream, []byte(text)); err == nil {
			t.Errorf("%q was taken: %q", text, out)
		}
	}
}

// FuzzItems: an item by itself is what it is in its list, and can be put back.
func FuzzItems(f *testing.F) {
	for _, list := range lists {
		f.Add([]byte(list))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := Decode(text)
		if err != nil {
			return
		}
		items, err := Document{Line: 1, Bytes: text}.Items()
		if err != nil {
			return
		}
		all := whole["items"].([]any)
		if len(items) != len(all) {
			t.Fatalf("%d items of %d", len(items), len(all))
		}
		for i, item := range items {
			if out, err := item.Replace(text, item.Bytes); err != nil || string(out) != string(text) {
				t.Fatalf("%v: %q", err, out)
			}
			if got, err := Decode(item.Bytes); err == nil && !equal(got, all[i]) {
				t.Fatalf("item %d is %q, and by itself %q", i, canonical(nil, all[i]), canonical(nil, got))
			}
		}
	})
}
