package renew

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// Report is what a verification found.
type Report struct {
	// Checked counts the things that were looked at.
	Checked int
	// Findings are wrong.
	Findings []Finding
	// Unknown could not be checked. It is never success.
	Unknown []Finding
	// Due is well today; the next apply has something to do, or waits.
	Due []Finding
}

// Finding is one thing that is wrong, or that could not be checked.
type Finding struct {
	Target  string
	Problem string
	Hint    string
}

func (r *Report) finding(target, problem, hint string) {
	r.Findings = append(r.Findings, Finding{target, problem, hint})
}

func (r *Report) unknown(target, problem, hint string) {
	r.Unknown = append(r.Unknown, Finding{target, problem, hint})
}

// Verify looks into every store, checks every chain, name and reference, and
// compares with what the configuration wants. Endpoints are for [Endpoints] and
// [Dial].
func Verify(cfg *config.Config, state *State) *Report {
	r := &Report{}
	plan := NewPlan(cfg, state)
	for _, f := range plan.Faults {
		r.finding(f.Target, f.Err.Error(), hintOf(f.Err))
	}
	compare(r, plan, state)
	p := newPlanner(cfg, state)
	p.findResources()
	inUse := map[string]bool{}
	for _, i := range plan.Items {
		inUse[i.Name] = true
	}
	for _, s := range Ours(state) {
		if !inUse[s.Name] && s.Role() != secrets.RolePassword {
			continue // replaced, or never used: nothing can fail by it
		}
		r.Checked++
		if err := p.verifySecret(s); err != nil {
			r.finding(s.Ref.String(), err.Error(), "flowcert plan shows what would mend it")
		}
	}
	p.verifyReferences(r)
	p.verifyEdges(r)
	p.verifyUI(r)
	return r
}

// compare reports what is not as the configuration wants it: damage and what is
// missing as findings, what is due or waits apart.
func compare(r *Report, plan *Plan, state *State) {
	const hint = "flowcert plan shows what would mend it"
	for _, i := range plan.Items {
		what := i.Target + ": " + i.Name
		switch {
		case i.State == stateOK:
		case i.State == stateToBeMade:
			r.finding(what, "there is none yet", hint)
		case strings.HasPrefix(i.State, "waits"): // said below, with what it waits for
		case i.Due:
			r.Due = append(r.Due, Finding{what, i.State, ""})
		default:
			r.finding(what, i.State, hint)
		}
	}
	for _, a := range plan.Actions {
		rewire, ok := a.(*Rewire)
		if ok && !slices.ContainsFunc(rewire.Wiring.versions(), func(v *Version) bool { return v != nil && v.Secret == nil }) {
			r.finding(rewire.Resource.Where(), a.Reason(), hint)
		}
	}
	for _, w := range plan.Waits {
		r.Due = append(r.Due, Finding{w.Target, "waits: " + w.For, ""})
	}
	unmanaged(r, plan, state)
}

// unmanaged looks at Secrets of ours that something refers to and that the
// configuration does not keep any more.
func unmanaged(r *Report, plan *Plan, state *State) {
	kept := map[string]bool{}
	for _, i := range plan.Items {
		kept[i.Name] = true
	}
	p := newPlanner(nil, state)
	for _, ref := range inOrderOf(state.references()) {
		s := state.Secrets[ref]
		if s == nil || !s.Ours() || kept[s.Name] {
			continue
		}
		r.Checked++
		if err := p.verifySecret(s); err != nil {
			r.finding(ref.String(), err.Error(), "something refers to it, and flowcert.yaml does not keep it: add its workload, or take the wiring out")
		}
	}
}

func hintOf(err error) string {
	var h interface{ Remedy() string }
	if errors.As(err, &h) {
		return h.Remedy()
	}
	return ""
}

// verifySecret opens a Secret of ours and checks what is in it against itself.
func (p *planner) verifySecret(s *secrets.Secret) error {
	switch s.Role() {
	case secrets.RoleRoot, secrets.RoleIntermediate:
		id, err := s.Identity(secrets.DefaultKeys())
		if err != nil {
			return err
		}
		return p.verifyIdentity(id)
	case secrets.RoleCertificate, secrets.RoleUICertificate, secrets.RoleCA:
		id, err := p.identityOf(s)
		if err != nil {
			return err
		}
		return p.verifyIdentity(id)
	case secrets.RoleFlinkTLS, secrets.RoleOperatorCert:
		id, err := p.storesOf(s)
		if err != nil {
			return err
		}
		return p.verifyIdentity(id)
	case secrets.RoleTruststore, secrets.RoleFlinkTrust:
		entries, err := p.trustOf(s)
		if err == nil && len(entries) == 0 {
			err = errors.New("the truststore holds no certificate")
		}
		return err
	case secrets.RolePassword:
		_, err := s.Get(secrets.Password)
		return err
	case secrets.RoleAdopted:
		_, err := s.Adopted()
		return err
	}
	return fmt.Errorf("annotation %s is %q, which flowcert does not write", secrets.RoleAnnotation, s.Role())
}

func (p *planner) storesOf(s *secrets.Secret) (secrets.Identity, error) {
	sh := shape{}
	if s.Role() == secrets.RoleOperatorCert {
		password, ok := p.operatorPassword(s.Namespace)
		if !ok {
			return secrets.Identity{}, fmt.Errorf("its password is not in secret %s/%s", s.Namespace, operatorPasswordSecret)
		}
		sh.onePassword = password
	}
	key, trust := sh.passwords(s)
	return s.Stores(formatOf(s), key, trust)
}

// dataKeys are those under which the Secret's reader looks.
func (p *planner) dataKeys(s *secrets.Secret) deploy.DataKeys {
	for _, r := range p.state.resources {
		if r.String() != s.Target() || r.Kind != deploy.EventProcessingKind {
			continue
		}
		switch s.Role() {
		case secrets.RoleCertificate:
			return deploy.EventProcessingDataKeys(r)
		case secrets.RoleUICertificate:
			return deploy.EventProcessingUIDataKeys(r)
		}
	}
	return secrets.DefaultKeys()
}

// verifyIdentity checks key, dates and chain as strictly as Java and OpenSSL do,
// for every usage that the leaf has.
func (p *planner) verifyIdentity(id secrets.Identity) error {
	leaf := id.Chain[0]
	switch {
	case !pki.SameKey(leaf, id.Key):
		return errors.New("the key does not belong to the certificate")
	case p.expired(leaf):
		return fmt.Errorf("the certificate ended on %s", day(leaf.NotAfter))
	case p.state.Now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case leaf.IsCA:
		_, err := leaf.Verify(x509.VerifyOptions{Roots: pool(id.Roots), Intermediates: pool(id.Chain[1:]), CurrentTime: p.state.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err
	}
	for _, usage := range leaf.ExtKeyUsage {
		for _, profile := range []pki.Profile{pki.JVM(), pki.OpenSSL()} {
			profile.Usage = usage
			if err := pki.VerifyChain(profile, id.Chain, id.Roots, "", p.state.Now); err != nil {
				return fmt.Errorf("%s does not accept it: %w", profile.Name, err)
			}
		}
	}
	return nil
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	out := x509.NewCertPool()
	for _, c := range certs {
		out.AddCert(c)
	}
	return out
}

// verifyReferences looks for Secrets that resources refer to and that are not
// there. One that flowcert did not make may be in the cluster alone.
func (p *planner) verifyReferences(r *Report) {
	check := func(res deploy.Resource, name, field string) {
		if name == "" {
			return
		}
		r.Checked++
		if _, ok := p.state.Secrets[secrets.Ref{Namespace: res.Namespace, Name: name}]; !ok {
			r.unknown(res.String(), fmt.Sprintf("%s refers to secret %s, which is not in the directory", field, name), "it has to be in the cluster already")
		}
	}
	for _, job := range p.sortedEventProcessing() {
		refs := deploy.References(job.resource)
		check(job.resource, refs.Certificate, "spec.authoring.tls.secretName")
		check(job.resource, refs.CA, "spec.authoring.tls.caSecretName")
		check(job.resource, refs.UI, "spec.authoring.tls.ui.secretName")
		for _, name := range refs.Trusted {
			check(job.resource, name, "spec.authoring.tls.trustedCertificates")
		}
		check(job.resource, refs.FlinkTrust, "spec.flink.tls.secretName")
		check(job.resource, refs.TrustStore, "volume truststore")
	}
	for _, job := range p.sortedFlinks() {
		refs := deploy.References(job.resource)
		for _, name := range refs.FlinkTLS {
			check(job.resource, name, "kubernetes.secrets")
		}
		check(job.resource, refs.TrustStore, "volume truststore")
	}
}

// verifyEdges checks that the truststore that an Event Processing refers to
// verifies, name included, the leaf that its Flink refers to.
func (p *planner) verifyEdges(r *Report) {
	for _, ep := range p.sortedEventProcessing() {
		flink := p.flinkOf(ep)
		if flink == nil {
			continue
		}
		trust := p.state.Secrets[secrets.Ref{Namespace: ep.config.Namespace, Name: deploy.References(ep.resource).FlinkTrust}]
		if trust == nil || !trust.Ours() {
			continue
		}
		entries, err := p.trustOf(trust)
		if err != nil {
			continue // a finding already
		}
		for _, name := range deploy.References(flink.resource).FlinkTLS {
			s := p.state.Secrets[secrets.Ref{Namespace: flink.config.Namespace, Name: name}]
			if s == nil || s.Role() != secrets.RoleFlinkTLS {
				continue
			}
			id, err := p.storesOf(s)
			if err != nil {
				continue
			}
			r.Checked++
			host := deploy.FlinkHost(ep.resource)
			if err := pki.VerifyChain(pki.JVM(), id.Chain, secrets.Certificates(entries), host, p.state.Now); err != nil {
				r.finding(ep.target, fmt.Sprintf("%s does not verify %s as %s: %v", trust.Ref, s.Ref, host, err), "run flowcert plan")
			}
		}
	}
}

// Ours lists flowcert's own Secrets, sorted by name.
func Ours(state *State) []*secrets.Secret {
	out := Removable(state)
	for _, s := range state.Secrets {
		if s.Ours() && s.Role() == secrets.RoleRoot {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b *secrets.Secret) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
	return out
}
