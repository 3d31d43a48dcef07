package renew

import (
	"cmp"
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// freshFor is how long after a version was made Flink's REST endpoint is asked whether it serves it: as long as a
// rollout may take. Later only another rollout changes what it serves.
const freshFor = time.Hour

// askFlink dials the REST endpoints of FlinkDeployments that have a new certificate. Where they cannot be reached, as
// from outside of the cluster, the pods alone tell what has been rolled out.
func (s *State) askFlink(ctx context.Context, cfg *config.Config) {
	addresses := map[string]string{} // by resource
	var servers []server
	for _, r := range s.resources {
		if r.Kind != deploy.FlinkDeploymentKind || !s.freshlyIssued(r) {
			continue
		}
		if address, tls := deploy.FlinkREST(r, cfg.ClusterDomain); tls {
			addresses[r.String()] = address
			servers = append(servers, server{address, config.TLS})
		}
	}
	answers := askAll(ctx, servers)
	s.serves = map[string]*x509.Certificate{}
	for r, address := range addresses {
		if a := answers[server{address, config.TLS}]; a.err == nil {
			s.serves[r] = a.chain[0]
		}
	}
}

// freshlyIssued reports whether a FlinkDeployment has an earlier certificate and, since a short while, another.
func (s *State) freshlyIssued(r deploy.Resource) bool {
	versions := s.versions[slot{r.String(), secrets.RoleFlinkTLS}]
	return len(versions) > 1 && s.Now.Before(versions[0].Created().Add(freshFor))
}

// servesBefore names the version before the one that a resource refers to, if its REST endpoint still shows the
// certificate of that; empty: it does not, or nobody knows. Any other certificate is that of something between here
// and there, and says nothing.
func (s *State) servesBefore(r deploy.Resource) string {
	leaf := s.serves[r.String()]
	if leaf == nil {
		return ""
	}
	refers, once := deploy.References(r).FlinkTLS, cmp.Or(s.opened, newOpenOnce())
	for _, v := range s.versions[slot{r.String(), secrets.RoleFlinkTLS}] {
		key, trust := shape{}.passwords(v)
		id, err := once.openStores(v, formatOf(v), key, trust)
		if err != nil || !id.Chain[0].Equal(leaf) {
			continue
		}
		if slices.Contains(refers, v.Name) {
			return ""
		}
		return v.Name
	}
	return ""
}
