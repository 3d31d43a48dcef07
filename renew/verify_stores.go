package renew

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// opened is a store as a JVM loads it by the words of its resource.
type opened struct {
	file    deploy.StoreFile
	secret  *secrets.Secret
	trusted []*x509.Certificate
	chain   []*x509.Certificate // of a key store
}

// flinkStores are those of Flink's channels; nil where one did not load.
type flinkStores struct {
	channels deploy.FlinkChannels
	rest     channelStores
	internal channelStores
}

type channelStores struct{ key, trust *opened }

// stores opens every store in the way in which what runs opens it: the file
// that the resource names, with the password that it gives.
func (v *verifier) stores() {
	for _, job := range v.sortedEventProcessing() {
		v.loadJVM(job.resource)
		if f := deploy.FlinkTrustFile(job.resource); f != nil {
			v.flink[job.target] = v.load(job.resource, *f)
		}
	}
	for _, job := range v.sortedFlinks() {
		v.loadJVM(job.resource)
		channels := deploy.FlinkStores(job.resource)
		v.served[job.target] = flinkStores{
			channels: channels,
			rest:     v.loadChannel(job.resource, channels.Rest),
			internal: v.loadChannel(job.resource, channels.Internal),
		}
	}
}

func (v *verifier) loadJVM(r deploy.Resource) {
	for _, f := range deploy.JVMTrustStores(r) {
		if l := v.load(r, f); l != nil {
			v.jvm[r.String()] = append(v.jvm[r.String()], *l)
		}
	}
}

func (v *verifier) loadChannel(r deploy.Resource, c deploy.FlinkChannel) (out channelStores) {
	if !c.TLS {
		return out
	}
	if c.KeyStore == nil {
		v.finding(r.String(), fmt.Sprintf("security.ssl.%s.enabled is true and no security.ssl.keystore is set: Flink does not start", c.Name), mendHint)
	} else {
		out.key = v.load(r, *c.KeyStore)
	}
	if c.Trust != nil {
		out.trust = v.load(r, *c.Trust)
	}
	return out
}

// load opens one store, and reports what keeps the JVM from it; nil if
// something does.
func (v *verifier) load(r deploy.Resource, f deploy.StoreFile) *opened {
	v.Checked++
	names := f.Field
	if f.Path != "" {
		names += " names " + f.Path + ": "
	}
	switch {
	case f.Origin.Missing != "":
		v.finding(r.String(), names+f.Origin.Missing, mendHint)
		return nil
	case f.Origin.Unknown != "":
		v.unknown(r.String(), names+f.Origin.Unknown, "see that the file is there, and has what its readers need")
		return nil
	}
	s, ok := v.referred(r, f.Origin)
	if !ok {
		return nil
	}
	data, ok := s.Data[f.Origin.Key]
	if !ok {
		v.finding(r.String(), fmt.Sprintf("%s%s, mounted there, has no key %q (it has %s)", names, s.Ref, f.Origin.Key, strings.Join(s.Keys(), ", ")), mendHint)
		return nil
	}
	if s.Ours() && v.flaw(s) != nil {
		return nil // reported, by the Secret
	}
	password, given, ok := v.passwordFor(r, f)
	if !ok {
		return nil
	}
	l := &opened{file: f, secret: s}
	if err := l.open(data, password, given); err != nil {
		v.finding(r.String(), err.Error(), "write what opens the store there, or take it out and run flowcert apply, which writes it")
		return nil
	}
	return l
}

// open reads the store with the password that the resource gives.
func (l *opened) open(data []byte, password string, given bool) error {
	what := fmt.Sprintf("key %q of %s", l.file.Origin.Key, l.secret.Ref)
	store, err := openAs(data, password, given)
	switch {
	case errors.Is(err, truststore.ErrPassword) && !given:
		return fmt.Errorf("%s gives no password for %s: the JVM sees an empty store", l.file.PasswordField, what)
	case errors.Is(err, truststore.ErrPassword):
		return fmt.Errorf("%s does not open %s%s", l.file.PasswordField, what, lineBreak(password))
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	if want := l.file.Extension(); want != "" && want != "."+store.Format.Extension() {
		return fmt.Errorf("%s is %s inside: readers go by the extension", what, store.Format)
	}
	l.trusted = secrets.Certificates(store.Trusted)
	if l.file.KeyStore {
		return l.takeKey(store, what)
	}
	if len(store.Trusted) == 0 {
		return fmt.Errorf("%s holds no certificate that a JVM trusts", what)
	}
	return nil
}

// openAs opens with what the JVM is given: JKS shows its certificates without a
// password too.
func openAs(data []byte, password string, given bool) (*truststore.Store, error) {
	if !given {
		return truststore.OpenWithoutPassword(data)
	}
	return truststore.Open(data, password)
}

func lineBreak(password string) string {
	if strings.TrimRight(password, "\r\n") == password {
		return ""
	}
	return ": it ends with a line break, which Java takes for a part of it (echo adds one, printf does not)"
}

// takeKey takes the one private key of a key store.
func (l *opened) takeKey(store *truststore.Store, what string) error {
	switch {
	case len(store.Keys) == 0:
		return fmt.Errorf("%s holds no private key: a server with it cannot serve", what)
	case len(store.Keys) > 1:
		return fmt.Errorf("%s holds %d private keys; which one the JVM serves is a matter of chance", what, len(store.Keys))
	case l.file.KeyPasswordField == "":
	case l.file.KeyPassword != l.file.Password:
		return fmt.Errorf("%s is not what %s is, which opens %s and the key in it", l.file.KeyPasswordField, l.file.PasswordField, what)
	}
	l.chain = store.Keys[0].Chain
	if len(l.chain) == 0 {
		return fmt.Errorf("%s: the private key belongs to none of its certificates", what)
	}
	if !pki.SameKey(l.chain[0], store.Keys[0].Key) {
		return fmt.Errorf("%s: %w", what, errOtherKey)
	}
	return nil
}

// passwordFor is the password that the JVM is given, if it is given one; ok is
// false where the Secret that holds it is not there.
func (v *verifier) passwordFor(r deploy.Resource, f deploy.StoreFile) (password string, given, ok bool) {
	from := f.PasswordFrom
	switch {
	case from.Field == "":
		return f.Password, f.HasPassword, true
	case from.Secret == "" || from.Key == "":
		return "", false, true
	}
	s, ok := v.referred(r, from)
	if !ok {
		return "", false, false
	}
	value, ok := s.Data[from.Key]
	if !ok {
		v.finding(r.String(), fmt.Sprintf("%s asks %s for key %q, which it does not have (it has %s)", from.Field, s.Ref, from.Key, strings.Join(s.Keys(), ", ")), mendHint)
	}
	return string(value), true, ok
}
