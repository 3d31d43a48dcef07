package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/renew"
)

func TestViewOfATerminal(t *testing.T) {
	var out bytes.Buffer
	v := &view{w: &out, size: func() (width, height int) { return 20, 5 }}
	var lines []string
	for i := range 9 {
		lines = append(lines, fmt.Sprintf("waits  resource number %d", i))
	}
	v.show(lines)
	if !strings.HasPrefix(out.String(), "\r\x1b[2Kwaits  resource nu…\n") {
		t.Errorf("a line of 20 columns: %q", out.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 4 || !strings.HasSuffix(out.String(), "and 6 more\n") {
		t.Errorf("%d lines on a screen of 5:\n%s", n, out.String())
	}
	out.Reset()
	v.line("made   %s", "x")
	if up := strings.Count(out.String(), "\x1b[1A"); up != 4 || !strings.Contains(out.String(), "made   x\nwaits") {
		t.Errorf("%d lines taken away:\n%q", up, out.String())
	}
	out.Reset()
	v.close()
	if up := strings.Count(out.String(), "\x1b[1A"); up != 4 {
		t.Errorf("%d lines taken away at the end", up)
	}
}

// A resource is ready once after its change, also where it had rolled out before the first look, and not where it does not work.
func TestReadyIsSaidOnce(t *testing.T) {
	var out bytes.Buffer
	w := &applying{app: &app{stderr: &out}, view: &view{w: &out}, changed: map[string]bool{}}
	rolling := func(names ...string) (all []renew.Wait) {
		for _, name := range names {
			all = append(all, renew.Wait{Target: "flinkDeployment/ns/" + name, For: "its state"})
		}
		return all
	}
	for _, name := range []string{"quick", "slow", "broken"} {
		w.rolls(deploy.Target(deploy.FlinkDeploymentKind, "ns", name))
	}
	w.Planned(nil, &renew.Plan{Rolling: rolling("slow", "broken")})
	w.Planned(nil, &renew.Plan{Rolling: rolling("slow"), Unfit: rolling("broken")})
	w.Planned(nil, &renew.Plan{Unfit: rolling("broken")})
	w.Planned(nil, &renew.Plan{Unfit: rolling("broken")})
	for name, want := range map[string]int{"quick": 1, "slow": 1, "broken": 0} {
		if n := strings.Count(out.String(), "ready  flinkDeployment/ns/"+name+"\n"); n != want {
			t.Errorf("%s is ready %d times, want %d:\n%s", name, n, want, out.String())
		}
	}
}
