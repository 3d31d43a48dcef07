package main

import (
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/flowcert/flowcert/yamledit"
)

// cmdKinds is `kinds FILE WANT`: the objects in the YAML documents of FILE, as "Kind namespace/name", one a
// line and in their order, are those in WANT.
func cmdKinds(ts *testscript.TestScript, _ bool, args []string) {
	var got strings.Builder
	for _, doc := range yamledit.Split([]byte(ts.ReadFile(args[0]))) {
		obj, err := yamledit.Decode(doc.Bytes)
		ts.Check(err)
		name, _ := yamledit.Get(obj, yamledit.Path{yamledit.Key("metadata"), yamledit.Key("name")})
		if ns, ok := yamledit.Get(obj, yamledit.Path{yamledit.Key("metadata"), yamledit.Key("namespace")}); ok {
			name = fmt.Sprintf("%v/%v", ns, name)
		}
		fmt.Fprintln(&got, obj["kind"], name)
	}
	if want := ts.ReadFile(args[1]); got.String() != want {
		ts.Fatalf("objects:\n%s\nwant:\n%s", got.String(), want)
	}
}
