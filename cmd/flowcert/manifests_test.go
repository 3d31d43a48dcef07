package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/yamledit"
)

// TestManifestsRun: what the pods are told to run is a command of this program.
func TestManifestsRun(t *testing.T) {
	docs, err := install.Manifests(install.Options{Kind: install.Both, Namespace: "main"})
	if err != nil {
		t.Fatal(err)
	}
	at, err := yamledit.ParsePath("spec.template.spec.containers[name=flowcert].args")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, doc := range docs {
		obj, err := yamledit.Decode(doc)
		if err != nil {
			t.Fatal(err)
		}
		args, ok := yamledit.Get(obj, at)
		if !ok {
			continue
		}
		commands++
		line := strings.Trim(fmt.Sprint(args), "[]")
		if err := knownCommand(line, true); err != nil {
			t.Errorf("%v runs flowcert %s: %v", obj["kind"], line, err)
		}
		if !strings.Contains(line, "--config="+clusterConfig) {
			t.Errorf("%v reads its configuration elsewhere: %s", obj["kind"], line)
		}
	}
	if commands != 2 {
		t.Errorf("%d objects run flowcert, want 2", commands)
	}
}
