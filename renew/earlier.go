package renew

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// earlierTrustAnnotation holds, on a Secret that is updated in place, what it made
// its readers trust before: whoever loaded it goes on by it. See earlierRecord.
const earlierTrustAnnotation = "flowcert.io/earlier-trust"

// maxEarlier bounds the annotation: all of an object's annotations together have
// 256 KiB (Kubernetes documentation, "Annotations").
const maxEarlier = 200 << 10

// earlierWord follows the name of a Secret where what it held before is meant.
const earlierWord = " (what it held before)"

// content is what a truststore holds or held. Of the public CAs that flowcert
// brings there is only a digest: there are more than an annotation takes, and no
// server of ours stands under one.
type content struct {
	entries []truststore.Entry
	public  string // empty: it had none
	lost    bool   // nobody knows what it was: somebody removed the Secret
}

// unknownContent stands for one that has a root which is still to be made: it is
// like no other.
var unknownContent = content{public: "not known yet"}

// isBundled tells those public CAs. A file of public CAs may hold somebody's own.
func isBundled(e truststore.Entry) bool { return isPublic(e) && bundledCAs()[e.Alias] }

var bundledCAs = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, e := range truststore.Entries([]truststore.Source{{Certificates: truststore.PublicCAs()}}) {
		out[e.Alias] = true
	}
	return out
})

func contentOf(entries []truststore.Entry) content {
	var c content
	var public []string
	for _, e := range entries {
		if isBundled(e) {
			public = append(public, pki.Fingerprint(e.Certificate))
		} else {
			c.entries = append(c.entries, e)
		}
	}
	if len(public) > 0 {
		slices.Sort(public)
		c.public = digestOf(public)
	}
	return c
}

// digest tells contents apart, in the mark of what a resource was restarted for.
func (c content) digest() string {
	all := []string{c.public}
	for _, e := range c.entries {
		all = append(all, pki.Fingerprint(e.Certificate))
	}
	if c.lost {
		all = append(all, "lost")
	}
	slices.Sort(all)
	return digestOf(all)
}

func digestOf(words []string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\n")))
	return hex.EncodeToString(sum[:])[:12]
}

// contentValue is the key, among a version's values, of the digest of what a
// truststore of a fixed name holds.
const contentValue = "content"

func (c content) same(other content) bool {
	return c.lost == other.lost && c.public == other.public && sameCertificates(secrets.Certificates(c.entries), secrets.Certificates(other.entries))
}

// earlierRecord is what earlierTrustAnnotation holds: the contents, and their
// certificates in DER, each once.
type earlierRecord struct {
	Certificates [][]byte         `json:"certificates"`
	Contents     []earlierContent `json:"contents"`
}

// earlierContent says by alias which of the record's certificates were trusted.
type earlierContent struct {
	Anchors map[string]int `json:"anchors"`
	Public  string         `json:"public,omitempty"`
	Lost    bool           `json:"lost,omitempty"`
}

func encodeEarlier(contents []content) (string, error) {
	var r earlierRecord
	place := map[string]int{}
	for _, c := range contents {
		out := earlierContent{Anchors: map[string]int{}, Public: c.public, Lost: c.lost}
		for _, e := range c.entries {
			raw := string(e.Certificate.Raw)
			if _, known := place[raw]; !known {
				place[raw] = len(r.Certificates)
				r.Certificates = append(r.Certificates, e.Certificate.Raw)
			}
			out.Anchors[e.Alias] = place[raw]
		}
		r.Contents = append(r.Contents, out)
	}
	text, err := json.Marshal(r)
	return string(text), err
}

func decodeEarlier(text string) ([]content, error) {
	var r earlierRecord
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, err
	}
	certs := make([]*x509.Certificate, len(r.Certificates))
	for i, raw := range r.Certificates {
		var err error
		if certs[i], err = x509.ParseCertificate(raw); err != nil {
			return nil, err
		}
	}
	var out []content
	for _, c := range r.Contents {
		next := content{public: c.Public, lost: c.Lost}
		for _, alias := range slices.Sorted(maps.Keys(c.Anchors)) {
			i := c.Anchors[alias]
			if i < 0 || i >= len(certs) {
				return nil, fmt.Errorf("certificate %d of %d", i, len(certs))
			}
			next.entries = append(next.entries, truststore.Entry{Alias: alias, Certificate: certs[i]})
		}
		out = append(out, next)
	}
	return out, nil
}

// earlierTrust are the contents that a Secret which is updated in place held
// before and that its readers may go by still, newest first. A record that does
// not read is a fault: what was trusted must not get lost.
func (p *planner) earlierTrust(s *secrets.Secret) []content {
	if s.Annotations[earlierTrustAnnotation] == "" || !p.mayHoldEarlier(s) {
		return nil
	}
	contents, err := decodeEarlier(s.Annotations[earlierTrustAnnotation])
	if err != nil {
		target := s.Ref.String()
		if !p.faulty(target) {
			p.fault(target, fmt.Errorf("%s: annotation %s does not read: %w", s.Ref, earlierTrustAnnotation, err),
				"restart everything that reads the Secret, five minutes after its last change, and remove the annotation")
		}
		return nil
	}
	return contents
}

// mayHoldEarlier reports whether a reader of a Secret that is updated in place may
// go by what it held before. In a directory that is so until the user's word and
// the soak time; in a cluster as long as mayBeStale says.
func (p *planner) mayHoldEarlier(s *secrets.Secret) bool {
	if until, said := p.soaksUntil(s); said && !p.state.Now.Before(until) {
		return false
	}
	return !p.state.live() || p.state.mayBeStale(s, s.Since(), p.cfg.Rotation.Soak.Std())
}

// earlierFor is the record for a Secret that is to hold other trust: what it holds
// now, and what its readers may have from before, each once, and nothing that is
// what it will hold. Empty: nothing needs to be remembered.
func (p *planner) earlierFor(s *secrets.Secret, next content) (string, error) {
	if s == nil || !s.Ours() {
		return "", nil // what others' held is in a record of its own
	}
	var contents []content
	add := func(c content) {
		if !c.same(next) && !slices.ContainsFunc(contents, c.same) {
			contents = append(contents, c)
		}
	}
	if entries, err := p.trustOf(s); err == nil { // no JVM starts with one that does not open
		add(contentOf(entries))
	}
	for _, c := range p.earlierTrust(s) {
		add(c)
	}
	if len(contents) == 0 {
		return "", nil
	}
	text, err := encodeEarlier(contents)
	if err == nil && len(text) > maxEarlier {
		err = Hinted{
			Err:  fmt.Errorf("%s: its readers may go by %d earlier contents, more than can be remembered", s.Ref, len(contents)),
			Hint: "restart what reads it; in a directory say so with flowcert apply --deployed, and apply again after rotation.soak",
		}
	}
	return text, err
}
