package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/renew"
)

func rewire(by string) *renew.Plan {
	r := deploy.Resource{Kind: deploy.FlinkDeploymentKind, Namespace: "ns", Name: "x", Writers: []deploy.Writer{{Name: by}}}
	return &renew.Plan{Actions: []renew.Action{&renew.Rewire{Resource: r, Wiring: &renew.FlinkWiring{}}}}
}

const target = "flinkDeployment/ns/x"

func TestAQuarrelEnds(t *testing.T) {
	d := newDrift()
	if d.note(rewire("argocd"), start); len(d.held(start)) > 0 {
		t.Error("the first wiring counts")
	}
	d.wrote(rewire("argocd").Actions[0], start)
	for i := 1; i <= quarrels; i++ {
		now := start.Add(time.Duration(i) * time.Minute)
		if enough := d.note(rewire("argocd"), now); enough != (i == quarrels) {
			t.Errorf("after %d times: enough is %v", i, enough)
		}
	}
	why := d.held(start.Add(10 * time.Minute))[target]
	if !strings.Contains(why, `"argocd"`) {
		t.Errorf("held because %q", why)
	}
	if held := d.held(start.Add(2 * time.Hour)); len(held) > 0 {
		t.Errorf("still held after two hours: %v", held)
	}
}

func TestSeveralWritersAreNoQuarrel(t *testing.T) {
	d := newDrift()
	d.wrote(rewire("").Actions[0], start)
	for _, by := range []string{"a", "b", "c", "a", "b"} {
		d.note(rewire(by), start)
	}
	if held := d.held(start); len(held) > 0 {
		t.Errorf("held: %v", held)
	}
}

func TestSlowEditsAreNoQuarrel(t *testing.T) {
	d := newDrift()
	d.wrote(rewire("").Actions[0], start)
	now := start
	for range 10 {
		now = now.Add(quarrelWindow/2 + time.Minute)
		if d.note(rewire("kubectl"), now) {
			t.Fatal("held")
		}
	}
}
