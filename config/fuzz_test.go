package config

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: never a panic; a configuration or Errors, which have lines in order; the same
// twice; and what is accepted keeps the promises that its readers lean on, and is accepted by
// the schema too.
func FuzzParse(f *testing.F) {
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	for _, seed := range []string{ShortForm, minimal, minimal + "\nauthority: &a {<<: *a}", minimal + "\n\tx: 1", "a: *a", "---\n---\n", "? [a]\n: {b: c}",
		minimal + "\nrotation: {windows: [{schedule: '*/5 1-2 * JAN SUN', duration: 1d2h}]}",
		minimal + "\ncertificates: [{secretName: a, ipAddresses: ['::1'], key: {algorithm: Ed25519}}]",
		minimal + "\ntruststores: [{sources: [{name: a, secret: {name: a, key: b}, servers: [{address: 'a:1', protocol: tls}]}], mountIn: {eventProcessing: [ea/ep]}}]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(strings.NewReader(string(data)))
		again, errAgain := Parse(strings.NewReader(string(data)))
		if (err == nil) != (c != nil) {
			t.Fatalf("%v beside %v", c, err)
		}
		if err != nil {
			checkFaults(t, data, err)
			if errAgain == nil || err.Error() != errAgain.Error() {
				t.Fatalf("first\n%v\nthen\n%v", err, errAgain)
			}
			return
		}
		if diff := cmp.Diff(c, again, sameAddr); diff != "" {
			t.Fatal(diff)
		}
		checkPromises(t, c)
		checkSchemaAccepts(t, string(data))
	})
}

func checkFaults(t *testing.T, data []byte, err error) {
	var faults Errors
	if !errors.As(err, &faults) || len(faults) == 0 {
		t.Fatalf("not Errors: %v", err)
	}
	if !utf8.ValidString(err.Error()) {
		t.Fatalf("not UTF-8: %q", err)
	}
	lines, last := strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+
		strings.Count(string(data), "\u0085")+strings.Count(string(data), "\u2028")+strings.Count(string(data), "\u2029")+1, 0
	for _, fault := range faults {
		if fault.Line < last || fault.Line > lines || fault.Line == 0 && len(data) <= maxSize {
			t.Fatalf("line %d after %d of %d: %v", fault.Line, last, lines, fault)
		}
		last = fault.Line
		if strings.ContainsAny(fault.Field, "\n\r\x1b") || fault.Problem == "" {
			t.Fatalf("unprintable: %q", fault.Error())
		}
	}
}

func checkPromises(t *testing.T, c *Config) {
	for _, target := range c.Targets() {
		if target.Namespace == "" || target.Name == "" {
			t.Fatalf("target %v", target)
		}
		if again, err := ParseTarget(target.String()); err != nil || again != target {
			t.Fatalf("target %v reads as %v, %v", target, again, err)
		}
	}
	for _, store := range c.Truststores {
		if store.Name == "" || store.Namespace == "" || len(store.Sources) == 0 {
			t.Fatalf("truststore %+v", store)
		}
		for _, ref := range store.MountIn.EventProcessing {
			if !slices.Contains(c.Targets(), Target{KindEventProcessing, ref.Namespace, ref.Name}) {
				t.Fatalf("mounted in %v", ref)
			}
		}
	}
	for _, cert := range c.Certificates {
		if err := cert.Key.Validate(); err != nil {
			t.Fatal(err)
		}
		if cert.Validity <= 0 || c.Defaults.RenewBefore.Of(cert.Validity.Std()) >= cert.Validity.Std() {
			t.Fatalf("validity %v, renewed %v before its end", cert.Validity, c.Defaults.RenewBefore)
		}
	}
	for _, edge := range c.Edges {
		if !slices.Contains(c.Targets(), edge.Client) || !slices.Contains(c.Targets(), edge.Server) {
			t.Fatalf("edge %+v", edge)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"365d", "1d12h", "33%", "1.5h", "99999999999d", "-1h", "1d0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if d <= 0 || d.Std() > maxDuration {
			t.Fatalf("%q is %v", s, d)
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Fatalf("%q prints as %q: %v, %v", s, d, again, err)
		}
	})
}
