package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// maxInspect bounds a file that is inspected.
const maxInspect = 16 << 20

// maxPasswordFile bounds a file with a password in it.
const maxPasswordFile = 4 << 10

func (a *app) inspectCommand() *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show a PEM, DER, JKS or PKCS12 file, or a Secret manifest, as people read it",
		Long: `Shows the certificates and keys in a PEM, DER, JKS or PKCS12 file, or in every key
of a Secret manifest. No private key and no password is printed. A JKS file shows
its certificates without a password; a PKCS12 file needs one, unless its password is
empty. The stores of a Secret manifest are opened with the passwords in it.

Exit status: 0 everything could be shown, 1 error.`,
		Args: oneFile,
		RunE: func(_ *cobra.Command, args []string) error {
			password, err := readPassword(passwordFile)
			if err != nil {
				return err
			}
			return a.inspect(args[0], password)
		},
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that holds the store's password")
	return cmd
}

// readPassword reads a password from a file, if one is given.
func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("password file %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	return onlyLine(f, "password file "+path)
}

func (a *app) inspect(path, password string) error {
	if err := checkDigests(); err != nil {
		return err
	}
	data, err := readFile(path, maxInspect)
	if err != nil {
		return err
	}
	out := inspectJSON{File: path}
	var failed error
	if store, known, err := openStore(data, []string{password}); known {
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		out.Store = store
	} else if out.Secrets, failed = inspectSecrets(data, password); out.Secrets == nil {
		return fmt.Errorf("%s: %w", path, failed)
	}
	if a.json() {
		err = a.printJSON(out)
	} else {
		a.printInspected(out)
	}
	return errors.Join(err, failed)
}

// readFile reads a file of at most limit bytes; its errors name it.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	case info.IsDir():
		return nil, hinted(fmt.Errorf("%s: is a directory", path), "give one file")
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a regular file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: has %d bytes, more than the %d that are read", path, info.Size(), limit)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s: is empty", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	return data, nil
}

// inspectSecrets looks into the Secrets of a stream of manifests. A store that
// does not open is an error beside the rest.
func inspectSecrets(data []byte, password string) ([]secretJSON, error) {
	found, err := secrets.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("is not PEM, DER, JKS or PKCS12, and does not read as a manifest: %w", err)
	}
	if len(found) == 0 {
		return nil, hinted(errors.New("is not PEM, DER, JKS, PKCS12 or a manifest of a Secret"), "give a file of one of these kinds")
	}
	var out []secretJSON
	var failed error
	for _, s := range found {
		entry := secretJSON{Namespace: s.Namespace, Name: s.Name, Data: []valueJSON{}}
		for _, key := range s.Keys() {
			v := valueJSON{Key: key, Bytes: len(s.Data[key])}
			passwords := []string{password, string(s.Data[secrets.Password]), string(s.Data[secrets.TrustPassword])}
			if v.Store, _, err = openStore(s.Data[key], passwords); err != nil {
				v.Error = err.Error()
				failed = errors.Join(failed, hinted(fmt.Errorf("%s: key %q: %w", s.Ref, key, err), renew.RemedyOf(err)))
			}
			entry.Data = append(entry.Data, v)
		}
		out = append(out, entry)
	}
	return out, failed
}

// openStore opens a store with the first password that fits, or without one
// where its format allows that. The first password is the user's: if it is given
// and does not fit, nor does another, that is an error. What is no store is not
// known.
func openStore(data []byte, passwords []string) (out *storeJSON, known bool, err error) {
	if _, known := truststore.Detect(data); !known {
		out := bareCertificates(data)
		return out, out != nil, nil
	}
	store, err := truststore.OpenWithoutPassword(data)
	for i, p := range passwords {
		if p == "" {
			continue
		}
		opened, e := truststore.Open(data, p)
		if e == nil {
			store, err = opened, nil
			break
		}
		if i == 0 || err != nil {
			store, err = nil, e
		}
	}
	if passwords[0] == "" && errors.Is(err, truststore.ErrPassword) {
		// Some tools take the empty password where none is asked for.
		if opened, e := truststore.Open(data, ""); e == nil {
			store, err = opened, nil
		}
	}
	switch {
	case errors.Is(err, truststore.ErrPassword):
		return nil, true, hinted(err, "give the store's password with --password-file FILE")
	case err != nil:
		return nil, true, err
	}
	return storeOutput(store), true, nil
}

// bareCertificates reads certificates in DER, one behind the other; nil if it is
// something else. A file of them has neither aliases nor a password.
func bareCertificates(data []byte) *storeJSON {
	found, err := x509.ParseCertificates(data)
	if err != nil || len(found) == 0 {
		return nil
	}
	out := &storeJSON{Format: "DER", Keys: []keyJSON{}, Trusted: []entryJSON{}}
	for _, c := range found {
		out.Trusted = append(out.Trusted, entryJSON{certificateJSON: certificateOutput(c)})
	}
	return out
}

// What inspect shows, as data; see json.go.
type inspectJSON struct {
	File    string       `json:"file"`
	Store   *storeJSON   `json:"store,omitempty"`
	Secrets []secretJSON `json:"secrets,omitempty"`
}

type secretJSON struct {
	Namespace string      `json:"namespace"`
	Name      string      `json:"name"`
	Data      []valueJSON `json:"data"`
}

type valueJSON struct {
	Key   string     `json:"key"`
	Bytes int        `json:"bytes"`
	Store *storeJSON `json:"store,omitempty"`
	Error string     `json:"error,omitempty"`
}

type storeJSON struct {
	Format  string      `json:"format"`
	Keys    []keyJSON   `json:"keys"`
	Trusted []entryJSON `json:"trusted"`
}

type keyJSON struct {
	Alias string            `json:"alias"`
	Key   string            `json:"key"` // such as RSA 3072; empty for one that was not opened
	Chain []certificateJSON `json:"chain"`
}

type entryJSON struct {
	Alias string `json:"alias"`
	certificateJSON
}

type certificateJSON struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Key         string    `json:"key"`
	CA          bool      `json:"ca"`
	DNSNames    []string  `json:"dnsNames"`
	IPAddresses []string  `json:"ipAddresses"`
	SHA256      string    `json:"sha256"`
	selfIssued  bool
}

func storeOutput(s *truststore.Store) *storeJSON {
	out := &storeJSON{Format: string(s.Format), Keys: []keyJSON{}, Trusted: []entryJSON{}}
	for _, k := range s.Keys {
		j := keyJSON{Alias: k.Alias, Chain: []certificateJSON{}}
		if k.Key != nil {
			if spec, err := pki.SpecOf(k.Key.Public()); err == nil {
				j.Key = spec.String()
			}
		}
		for _, c := range k.Chain {
			j.Chain = append(j.Chain, certificateOutput(c))
		}
		out.Keys = append(out.Keys, j)
	}
	for _, e := range s.Trusted {
		out.Trusted = append(out.Trusted, entryJSON{e.Alias, certificateOutput(e.Certificate)})
	}
	return out
}

func certificateOutput(c *x509.Certificate) certificateJSON {
	out := certificateJSON{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		Key: c.PublicKeyAlgorithm.String(), CA: c.IsCA, DNSNames: append([]string{}, c.DNSNames...), IPAddresses: []string{},
		SHA256: pki.Fingerprint(c), selfIssued: bytes.Equal(c.RawIssuer, c.RawSubject),
	}
	if spec, err := pki.SpecOf(c.PublicKey); err == nil {
		out.Key = spec.String()
	}
	for _, ip := range c.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			out.IPAddresses = append(out.IPAddresses, addr.Unmap().String())
		}
	}
	return out
}
