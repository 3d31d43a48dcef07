package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/renew"
)

func rewire(by string) *renew.Plan {
	r := deploy.Resource{Kind: deploy.FlinkDeploymentKind, Namespace: "ns", Name: "x", Writers: []deploy.Writer{{Name: by, Time: start.AddDate(1, 0, 0)}}}
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
		if d.note(rewire("argocd"), now) {
			t.Error("a try that did not succeed counts as another time")
		}
		d.wrote(rewire("argocd").Actions[0], now)
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
		d.wrote(rewire("").Actions[0], start)
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
		d.wrote(rewire("").Actions[0], now)
	}
}

func TestAQuarrelOfAClockThatWasWrong(t *testing.T) {
	d, ahead := newDrift(), start.AddDate(0, 1, 0)
	for range quarrels {
		d.wrote(rewire("").Actions[0], ahead)
		d.note(rewire("argocd"), ahead)
	}
	if len(d.held(ahead)) == 0 {
		t.Fatal("nothing is held")
	}
	if held := d.held(start); len(held) > 0 {
		t.Errorf("held for a month: %v", held)
	}
}

func TestWhoPutItBack(t *testing.T) {
	wired := start.Add(300 * time.Millisecond)
	r := deploy.Resource{Writers: []deploy.Writer{{Name: "argocd", Time: start}, {Name: "kubectl", Time: start.Add(-time.Hour)}}}
	if by := writerSince(r, wired); by != "argocd" {
		t.Errorf("it was %s", by)
	}
	if by := writerSince(r, wired.Add(time.Minute)); by != "somebody" {
		t.Errorf("it was %s, who wrote before", by)
	}
}
