package renew

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// signingCAValidity is the lifetime of a CA for cert-manager where the
// configuration has no lifetime of intermediates: it is their default.
const signingCAValidity = 730 * 24 * time.Hour

// caChecks are leafChecks for a CA that cert-manager signs with.
var caChecks = []func(*planner, leafWant, candidate) verdict{
	unreadable, wrongKey, notYetValid, expired, compromised, noCA, notUnderARoot, nearEnd, askedFor, rootAskedFor, wrongRoots,
}

func (w leafWant) checks() []func(*planner, leafWant, candidate) verdict {
	if w.ca != nil {
		return caChecks
	}
	return leafChecks
}

func noCA(_ *planner, _ leafWant, c candidate) verdict {
	if ca := c.id.Chain[0]; !ca.IsCA || !ca.BasicConstraintsValid {
		return verdict{reason: "it is not a CA"}
	}
	return verdict{}
}

// notUnderARoot compares with the roots that are trusted now: see untrusted.
func notUnderARoot(p *planner, _ leafWant, c candidate) verdict {
	if err := pki.VerifyChain(pki.Go(), c.id.Chain, p.authority.certificates(), "", p.state.Now); err != nil {
		return verdict{reason: fmt.Sprintf("the authority's root does not verify it: %v", err)}
	}
	return verdict{}
}

func (p *planner) anySigningCA() bool {
	return slices.ContainsFunc(p.cfg.EventProcessing, func(e config.EventProcessing) bool { return e.Mode == config.ModeCA })
}

// signedElsewhere reports whether a target has no certificate of ours.
func (p *planner) signedElsewhere(t config.Target) bool {
	return slices.ContainsFunc(p.cfg.EventProcessing, func(e config.EventProcessing) bool {
		return e.Target() == t && e.Mode == config.ModeCA && e.UI == nil
	})
}

// planSigningCA plans the CA of spec.authoring.tls.caSecretName, with which
// cert-manager signs the certificates of an EventProcessing. No name constraints
// limit it: what names cert-manager is asked for is not flowcert's to say.
//
// Its clients read the roots from the same Secret, so that they are trusted, old
// and new, before cert-manager has anything to sign with under the new one.
func (p *planner) planSigningCA(job *eventProcessingJob) *Version {
	if hint, err := p.maySignCA(job); err != nil {
		p.fault(job.target, fmt.Errorf("mode ca: %w", err), hint)
		return nil
	}
	w := leafWant{
		slot:      slot{job.target, secrets.RoleCA},
		namespace: job.config.Namespace, prefix: job.config.Name + "-ca", holders: []string{job.target},
		key: p.signingKey(), validity: p.signingValidity(), shape: shape{data: secrets.DefaultKeys()},
		referenced: []string{deploy.References(job.resource).CA},
	}
	w.ca = p.signingSubject(job, w.slot)
	e := Edge{
		Client: job.target + " (its pods)", Server: job.target + " (signed by cert-manager)",
		// The CA stands for the leaves below it, which are not known here.
		Profile: pki.Go(), Trust: p.trustInUse(w.slot, w.namespace),
	}
	w.edges, w.faces = []Edge{e}, []facing{{e, p.leavesInUse(w.slot, w.namespace)}}
	v := p.planLeaf(w)
	if v != nil {
		p.noteEarlierSigners(job, w, v)
	}
	return v
}

// signingIssuer is what signs CAs for cert-manager: the user's CA, or the root
// that signs. No cross certificate follows: cert-manager takes one path, not two
// (ParseSingleCertificateChain), so that the new root has to be trusted first.
func (p *planner) signingIssuer() *issuer {
	i := *p.topIssuer()
	if p.authority.user != nil {
		return &i
	}
	i.beyond, i.proofs = nil, nil
	if r := p.authority.signing(); r != nil {
		i.proofs = []proof{{path: []*x509.Certificate{r.certificate}}}
	}
	return &i
}

// issuerOf is who signs what is wanted.
func (p *planner) issuerOf(w leafWant) *issuer {
	if w.ca != nil {
		return p.signingIssuer()
	}
	return p.issuerFor(w.namespace, w.allNames())
}

// maySignCA refuses a user's CA that cannot have another below it, or whose name
// constraints exclude a name that cert-manager will sign.
func (p *planner) maySignCA(job *eventProcessingJob) (hint string, err error) {
	if p.authority.user == nil {
		return "", nil
	}
	for i, ca := range p.authority.user.proofs[0].path {
		if (ca.MaxPathLen > 0 || ca.MaxPathLenZero) && ca.MaxPathLen < i+1 {
			return "have the CA issued with room for one more below it, or use mode certificate",
				fmt.Errorf("the pathLen %d of %q is in the way: cert-manager needs a CA of its own below it", ca.MaxPathLen, ca.Subject.CommonName)
		}
		if err := permits(ca, job.names); err != nil {
			return "use a CA whose name constraints permit the names of " + job.target,
				fmt.Errorf("the name constraints of %q exclude a name that cert-manager has to sign: %w", ca.Subject.CommonName, err)
		}
	}
	return "", nil
}

// signingKey is of the kind that the authority's own keys are.
func (p *planner) signingKey() pki.KeySpec {
	spec := p.cfg.Authority.SelfSigned.Key
	if made := p.intermediateSpec(); made != nil {
		spec = made.key
	} else if user := p.authority.user; user != nil {
		spec, _ = pki.SpecOf(user.certificate.PublicKey)
	}
	if spec.Validate() != nil {
		return p.cfg.Defaults.Key
	}
	return spec
}

func (p *planner) signingValidity() time.Duration {
	if made := p.intermediateSpec(); made != nil {
		return made.validity
	}
	return signingCAValidity
}

// signingSubject is the authority's subject with a common name that no earlier
// generation had: see intermediateName.
func (p *planner) signingSubject(job *eventProcessingJob, k slot) *pki.Subject {
	last := 0
	for _, s := range p.state.versions[k] {
		id, err := p.identityOf(s)
		if err != nil {
			last++ // it had a name once
			continue
		}
		last = max(last, nameGeneration(id.Chain[0].Subject.CommonName))
	}
	subject := p.subject()
	top := subject.CommonName
	if user := p.authority.user; user != nil {
		top = user.certificate.Subject.CommonName
	}
	subject.CommonName = intermediateName(top, job.config.Namespace+"/"+job.config.Name, last+1)
	return &subject
}

// noteEarlierSigners says that a change of CA does not reach what cert-manager
// has signed already.
func (p *planner) noteEarlierSigners(job *eventProcessingJob, w leafWant, v *Version) {
	now, earlier := p.certificateOf(v), ""
	for _, s := range p.state.versions[w.slot] {
		id, err := p.identityOf(s)
		if err == nil && s.Namespace == w.namespace && !p.retired(s) && (now == nil || !now.Equal(id.Chain[0])) {
			earlier = cmp.Or(earlier, s.Name)
		}
	}
	for _, a := range p.adoptedInUse(w.slot, w.namespace) {
		if now == nil || !now.Equal(a.Chain[0]) {
			earlier = cmp.Or(earlier, a.name)
		}
	}
	if earlier != "" {
		p.notice("%s: cert-manager keeps the certificates that it signed with the CA of %s until it renews them: once %s is rolled out, let it sign anew (cmctl renew --all -n %s, or delete the Secrets of its Certificates), then say apply --deployed",
			job.target, earlier, v.Name(), job.config.Namespace)
	}
}

// certificateOf is the certificate of a version, nil where it is still to be
// issued.
func (p *planner) certificateOf(v *Version) *x509.Certificate {
	if v.Secret != nil {
		if id, err := p.identityOf(v.Secret); err == nil {
			return id.Chain[0]
		}
	}
	for _, a := range p.plan.Actions {
		if step, ok := a.(*MakeLeaf); ok && step.Version == v && step.Keep != nil {
			return step.Keep.Chain[0]
		}
	}
	return nil
}

// caRequest is nil for a leaf.
func (w leafWant) caRequest(now, end time.Time) *pki.IntermediateRequest {
	if w.ca == nil {
		return nil
	}
	return &pki.IntermediateRequest{Subject: *w.ca, NotBefore: now.Add(-backdate), NotAfter: end}
}

// signingCA makes a CA for cert-manager. Its chain ends in the root: without it
// cert-manager would hand the CA itself to clients as ca.crt, which OpenSSL and
// nginx do not take for a root (cert-manager, ParseSingleCertificateChain).
func (a *MakeLeaf) signingCA(r *runner, key crypto.Signer, roots []*x509.Certificate) (secrets.Identity, error) {
	issuer, issued, err := r.issuer(a.Issuer)
	if err != nil {
		return secrets.Identity{}, err
	}
	req := *a.CA
	req.Key = key
	ca, err := pki.NewIntermediate(issuer, req)
	if err != nil {
		return secrets.Identity{}, err
	}
	above := a.Above
	if above == nil {
		above = issued.Chain[:1]
	}
	chain := append([]*x509.Certificate{ca}, slices.DeleteFunc(slices.Clone(above), pki.IsSelfSigned)...)
	if root := issuerAmong(roots, chain[len(chain)-1]); root != nil {
		chain = append(chain, root)
	}
	if err := pki.VerifyUntil(pki.Go(), chain, roots, "", r.now, ca.NotAfter); err != nil {
		return secrets.Identity{}, fmt.Errorf("the new CA does not verify: %w", err)
	}
	return secrets.Identity{Key: key, Chain: chain, Roots: roots}, nil
}
