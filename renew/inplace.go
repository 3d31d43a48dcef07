package renew

import (
	"fmt"
	"slices"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// A truststore of a fixed name is updated in place: the resources that mount it
// never change for it, which suits a resource that GitOps owns, and its pods
// have to be restarted by other means. What a pod has loaded is told by when it
// started: see State.stalePods.

func (w trustWant) ref() secrets.Ref { return secrets.Ref{Namespace: w.namespace, Name: w.prefix} }

// trustInPlace plans a truststore of a fixed name, and the restarts of what mounts
// it. It returns what resources are to refer to; nil if a fault was found.
func (p *planner) trustInPlace(w trustWant) *Version {
	if reserved.MatchString(w.prefix) {
		p.fault(w.target, fmt.Errorf("truststore %s looks like the name of a Secret that flowcert makes itself", w.prefix), "give it another name")
		return nil
	}
	if p.takenFixed(w.slot, w.ref()) {
		return nil
	}
	p.noteOwnChanges(w)
	now := p.state.Secrets[w.ref()]
	v, step := p.trust(w)
	if step == nil {
		p.restartsFor(w, now, nil)
		return v
	}
	next := contentOf(step.Entries)
	if step.NewRoot != nil {
		next = unknownContent
	} else {
		step.Values[contentValue] = next.digest()
	}
	if now == nil {
		return p.trustAnew(w, v, step)
	}
	asItIs := &Version{Target: w.target, Role: w.role, Prefix: w.prefix, Secret: now}
	if p.frozen(w.target, w.ref()) {
		return asItIs
	}
	keeps := p.keepsOptions(w, now)
	if why := heldInPlace(w, keeps); why != "" {
		last := &p.plan.Items[len(p.plan.Items)-1]
		last.State = "waits (" + last.State + ")"
		p.plan.Waits = append(p.plan.Waits, Wait{Target: w.target, Kind: "gate", For: fmt.Sprintf("%s (it is to be changed because %s)", why, step.Because)})
		return asItIs
	}
	var err error
	if step.Earlier, err = p.earlierFor(now, next); err != nil {
		p.fault(w.target, err, "")
		return nil
	}
	if !keeps && now.Ours() { // the resources change with it, and restart
		p.act(step)
		return v
	}
	p.act(step)
	p.restartsFor(w, now, step)
	if !keeps {
		return v
	}
	return asItIs
}

// noteOwnChanges says that a fixed name spares a resource the change for the
// truststore alone: its own certificate has a new name at each renewal.
func (p *planner) noteOwnChanges(w trustWant) {
	p.notice("truststore %s has a fixed name, and no new content of it changes a resource; a new certificate still changes %s: where GitOps owns these, let it leave alone what flowcert sets",
		w.prefix, someOf(w.holders))
}

// adoptedUnder are the contents of truststores that were taken over under the fixed
// name.
func (p *planner) adoptedUnder(w trustWant) []content {
	var out []content
	for _, a := range p.adoptedInUse(w.slot, w.namespace) {
		if a.name == w.prefix {
			out = append(out, contentOf(a.Entries))
		}
	}
	return out
}

// keepsOptions reports whether what resources say of the truststore stays as it
// is: its file name and its password.
func (p *planner) keepsOptions(w trustWant, now *secrets.Secret) bool {
	password := string(now.Data[secrets.Password])
	if !now.Ours() || formatOf(now) != w.format || w.passwordFrom != nil || w.password != "" && w.password != password {
		return false
	}
	_, err := p.once.openTrust(now, w.format, password)
	return err == nil || truststore.CheckPassword(password) == nil
}

// heldInPlace says why a truststore must not be written now: where the resources
// have to change with it, all of them have to be free to. Other content alone
// harms nobody, because it counts that a pod may have loaded either.
func heldInPlace(w trustWant, keeps bool) string {
	for _, m := range w.mounts {
		if !keeps && m.paused && m.referenced == w.prefix {
			return fmt.Sprintf("%s mounts it, and what it says of its password or format cannot be changed now", m.target)
		}
	}
	return ""
}

// restart is one that is due because what pods loaded is not what they are to
// trust.
type restart struct {
	because string
	pods    []deploy.Pod // that have loaded it; of a cluster
	content *Version     // what it restarts for; of a directory
}

// restartsFor finds the workloads that go by an earlier content that will not do.
// step is what this plan changes in the Secret; nil: nothing.
func (p *planner) restartsFor(w trustWant, now *secrets.Secret, step *MakeTrust) {
	for _, m := range w.mounts {
		switched := m.referenced != w.prefix // its reference changes, which restarts it
		if switched && (p.state.live() || m.resource.Kind != deploy.FlinkDeploymentKind) || m.resource.Paused() {
			continue
		}
		why := p.unfitFor(w, m, now, step != nil)
		if why == "" {
			continue
		}
		because := fmt.Sprintf("its pods go by what %s held before: %s", w.prefix, why)
		if !p.state.live() {
			p.restartInDirectory(m, now, step, because)
			continue
		}
		if from := p.sureFrom(now, step != nil); p.state.Now.Before(from) {
			p.settling[m.target] = fmt.Sprintf("%s; they restart from %s on, when a new pod is sure to find what it holds now", because, from.UTC().Format(time.RFC3339))
			continue
		}
		p.restarts[m.target] = &restart{because: because, pods: p.state.stalePods(m.resource, now)}
	}
}

// restartInDirectory restarts by the manifest where that can be, and by a person
// otherwise. A FlinkDeployment bears what it was restarted for: a pass that was
// stopped is gone on with, and none is repeated.
func (p *planner) restartInDirectory(m mount, now *secrets.Secret, step *MakeTrust, because string) {
	said := step == nil && now.Annotations[deployedAnnotation] != ""
	flink := m.resource.Kind == deploy.FlinkDeploymentKind
	switch {
	case said:
	case flink && step != nil:
		p.restarts[m.target] = &restart{because: because, content: step.Version}
	case flink:
		if digest := p.digestOf(now); digest != m.resource.RestartedFor() {
			p.restarts[m.target] = &restart{because: because, content: &Version{Secret: now, Values: map[string]string{contentValue: digest}}}
		}
	case step != nil:
		step.ByHand = append(step.ByHand, m.resource)
	default:
		p.plan.ByHand = append(p.plan.ByHand, m.resource)
	}
}

func (p *planner) digestOf(s *secrets.Secret) string {
	entries, err := p.trustOf(s)
	if err != nil {
		return ""
	}
	return contentOf(entries).digest()
}

// sureFrom is when a pod that starts is sure to find what the Secret holds: the
// kubelet may lag behind.
func (p *planner) sureFrom(now *secrets.Secret, writes bool) time.Time {
	if writes {
		return p.state.Now.Add(kubeletDelay)
	}
	return now.Since().Add(kubeletDelay)
}

// unfitFor says why what a workload may have loaded will not do until it restarts
// anyway; empty: it will, or it has loaded nothing else than what is there.
func (p *planner) unfitFor(w trustWant, m mount, now *secrets.Secret, writes bool) string {
	w.holders = []string{m.target}
	want := truststore.Entries(p.trustSources(w))
	for _, c := range p.mayHaveLoaded(w, m, now, writes) {
		if why := p.contentFault(w, c, want); why != "" {
			return why
		}
	}
	return ""
}

// mayHaveLoaded are the contents, other than the one that is to be there, by which
// a workload's pods may go, newest first. In a directory they are those since the
// one that it was restarted for last.
func (p *planner) mayHaveLoaded(w trustWant, m mount, now *secrets.Secret, writes bool) []content {
	live := p.state.live()
	var out []content
	if now == nil {
		switch {
		case p.hasRead(w, m):
			out = append(out, content{lost: true})
		case !live && m.referenced != w.prefix:
			out = p.adoptedUnder(w) // which the next pass will take it to have loaded
		}
		return out
	}
	if writes && now.Ours() && (!live || len(p.state.mounting(m.resource, now.Name)) > 0) {
		if entries, err := p.trustOf(now); err == nil {
			out = append(out, contentOf(entries))
		}
	}
	if !live || len(p.state.stalePods(m.resource, now)) > 0 {
		out = append(out, p.earlierTrust(now)...)
		out = append(out, p.adoptedUnder(w)...)
	}
	if i := slices.IndexFunc(out, func(c content) bool { return c.digest() == m.resource.RestartedFor() }); i >= 0 && !live {
		out = out[:i+1]
	}
	return out
}

// contentFault is entriesFault of what a Secret held before. A newer bundle of
// public CAs is no fault, and which ones it had is not known: those of now stand
// for them.
func (p *planner) contentFault(w trustWant, c content, want []truststore.Entry) string {
	if c.lost {
		return "nobody knows what that was, because somebody removed it"
	}
	have := slices.Clone(c.entries)
	if public := contentOf(want).public; c.public != "" {
		if public == "" || w.publicExact && c.public != public {
			return "its public certificates have changed"
		}
		for _, e := range want {
			if isBundled(e) {
				have = append(have, e)
			}
		}
	}
	return p.entriesFault(w, have, want)
}
