package renew

import (
	"slices"
	"strings"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// A key of another algorithm or size than flowcert.yaml says by now is no reason
// to restart anything: it is replaced with its certificate. What keeps such a
// key is named.

// otherKeys are those who keep another kind of key than configured, by the kind
// that is.
type otherKeys map[pki.KeySpec][]string

// compare remembers who has such a key.
func (k otherKeys) compare(who string, id secrets.Identity, want pki.KeySpec) {
	if spec, err := pki.SpecOf(id.Chain[0].PublicKey); err == nil && spec != want {
		k[want] = append(k[want], who)
	}
}

// kinds are the configured kinds, in an order that stays.
func (k otherKeys) kinds() []pki.KeySpec {
	var out []pki.KeySpec
	for spec, who := range k {
		slices.Sort(who)
		out = append(out, spec)
	}
	slices.SortFunc(out, func(a, b pki.KeySpec) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// noteKeys says when other keys are replaced, and how to have it at once.
func (p *planner) noteKeys() {
	for _, want := range p.otherKeys.kinds() {
		p.notice("flowcert.yaml asks for %s keys; until their next renewal these keep others: %s; to have it now: flowcert renew TARGET, then apply",
			want, someOf(slices.Compact(p.otherKeys[want])))
	}
	authority := p.authorityKeys()
	for _, want := range authority.kinds() {
		p.notice("flowcert.yaml asks for an authority with %s keys; until they are replaced these keep others: %s; to have it now: flowcert renew --ca, then apply", want, someOf(authority[want]))
	}
}

// authorityKeys looks at what signs now: the newest root and the intermediates.
func (p *planner) authorityKeys() otherKeys {
	out := otherKeys{}
	if p.authority.user != nil || p.authority.newest == nil {
		return out
	}
	for _, i := range p.plan.Items {
		s := p.state.Secrets[secrets.Ref{Namespace: p.cfg.Namespace, Name: i.Name}]
		if i.Target != p.authority.target || s == nil || i.Role == secrets.RoleRoot && i.Name != p.authority.newest.Name() {
			continue
		}
		id, err := p.once.openIdentity(s, secrets.DefaultKeys())
		if err == nil && (i.Role == secrets.RoleRoot || p.underNewest(id.Chain[0])) {
			out.compare(s.Ref.String(), id, p.cfg.Authority.SelfSigned.Key)
		}
	}
	return out
}
