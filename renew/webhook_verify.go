package renew

import (
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// meetWebhook checks that the API server, by each caBundle, accepts what is in the
// webhook's Secret under the name by which it calls it.
func (v *verifier) meetWebhook() {
	h := v.webhook
	if h == nil {
		return
	}
	s := v.webhookSecret(h)
	if s == nil || v.flaw(s) != nil {
		return // reported
	}
	id, err := s.Identity(secrets.DefaultKeys())
	if err != nil {
		return
	}
	for _, r := range h.configurations {
		for _, w := range deploy.Webhooks(r) {
			v.Checked++
			if err := pki.VerifyChain(pki.Go(), id.Chain, bundled(w.Bundle), w.Host, v.state.Now); err != nil {
				v.finding(r.Where(), fmt.Sprintf("the caBundle of %s does not verify %s as %s: %v", w.Name, s.Ref, w.Host, err), mendHint)
			}
		}
	}
}

// webhookEndpoints are the servers of the webhook, one an address.
func (v *verifier) webhookEndpoints() []Endpoint {
	h := v.webhook
	if h == nil {
		return nil
	}
	s := v.webhookSecret(h)
	if s == nil {
		return nil // nothing could be compared
	}
	var out []Endpoint
	at := map[string]int{}
	for _, r := range h.configurations {
		for _, w := range deploy.Webhooks(r) {
			i, known := at[w.Address]
			if !known {
				i = len(out)
				at[w.Address] = i
				out = append(out, Endpoint{Target: h.target, Address: w.Address, Protocol: config.TLS, Leaf: v.webhookLeaf(s)})
			}
			if anchors := bundled(w.Bundle); len(anchors) > 0 {
				out[i].Trust = append(out[i].Trust, Trust{Version: bundleVersion(r), Anchors: anchors})
			}
		}
	}
	return out
}

// heardWebhook judges what a webhook presents: whether the API server accepts it,
// and whether it is what lies in its Secret.
func (r *Report) heardWebhook(e Endpoint, chain []*x509.Certificate, now time.Time) {
	host, _, _ := net.SplitHostPort(e.Address)
	for _, t := range e.Trust {
		if err := pki.VerifyChain(pki.Go(), chain, t.Anchors, host, now); err != nil {
			r.finding(e.Target, fmt.Sprintf("%s: %s does not verify it: %v", e.Address, t.Version, err), mendHint)
		}
	}
	if !chain[0].Equal(e.Leaf) {
		r.finding(e.Target, fmt.Sprintf("%s: serves another certificate (until %s) than lies in secret %s of its namespace", e.Address, day(chain[0].NotAfter), config.WebhookCertSecret),
			"the webhook reads its key store when it starts: restart the Flink operator's pod, or let flowcert run in the cluster, which does")
	}
}
