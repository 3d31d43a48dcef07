package renew

import (
	"testing"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/secrets"
)

// What was written is known without another look, as long as the API server says that it is the same.
func TestOpenOnceKnowsWhatWasWritten(t *testing.T) {
	keys := secrets.DefaultKeys()
	holds := secrets.Identity{}
	written := func(version string) *secrets.Secret { // nothing could be read from it
		return &secrets.Secret{Ref: secrets.Ref{Namespace: "a", Name: "b"}, UID: "u", ResourceVersion: version}
	}
	known := func(o *openOnce, s *secrets.Secret, k deploy.DataKeys) bool {
		_, err := o.openIdentity(s, k)
		return err == nil
	}
	first := newOpenOnce()
	first.wrote(written("7"), shape{data: keys}, holds)
	second := first.next()
	if !known(second, written("7"), keys) {
		t.Error("what was written is opened again")
	}
	if known(second, written("8"), keys) {
		t.Error("another state of it passes for what was written")
	}
	if !known(second.next(), written("7"), keys) {
		t.Error("what a pass has asked for is forgotten in the next")
	}
	if known(second.next().next(), written("7"), keys) {
		t.Error("what no pass asks for is kept for ever")
	}
	trusted := written("7")
	trusted.Data = map[string][]byte{"truststore.jks": []byte("garbage")}
	_, broken := first.openTrust(trusted, "JKS", "changeit")
	trusted = written("7")
	if _, err := first.next().openTrust(trusted, "JKS", "changeit"); broken == nil || err != broken {
		t.Errorf("a truststore is opened again: %v after %v", err, broken)
	}
	first = newOpenOnce()
	first.wrote(written(""), shape{data: keys}, holds)
	if known(first.next(), written(""), keys) {
		t.Error("a Secret of no version passes for another")
	}
}
