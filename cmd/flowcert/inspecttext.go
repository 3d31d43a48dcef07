package main

import (
	"strings"
	"time"
)

// printInspected shows what was inspected. What comes from the file is made
// printable: a subject may hold anything.
func (a *app) printInspected(in inspectJSON) {
	if in.Store != nil {
		a.printStore("", in.File, in.Store)
	}
	for _, s := range in.Secrets {
		a.print("secret %s\n", printable(strings.TrimPrefix(s.Namespace+"/"+s.Name, "/")))
		for _, v := range s.Data {
			switch {
			case v.Store != nil:
				a.printStore("  ", v.Key, v.Store)
			case v.Error != "":
				a.print("  %s: %s\n", printable(v.Key), printable(v.Error))
			default:
				a.print("  %s: %s, not shown\n", printable(v.Key), plural(v.Bytes, "byte"))
			}
		}
	}
}

func (a *app) printStore(indent, name string, s *storeJSON) {
	var parts []string
	if n := len(s.Keys); n > 0 {
		parts = append(parts, plural(n, "private key"))
	}
	if n := len(s.Trusted); n > 0 || len(parts) == 0 {
		parts = append(parts, plural(n, "certificate"))
	}
	a.print("%s%s: %s, %s\n", indent, printable(name), s.Format, strings.Join(parts, ", "))
	indent += "  "
	for _, k := range s.Keys {
		a.print("%sprivate key", indent)
		if k.Alias != "" {
			a.print(" %q", k.Alias)
		}
		switch {
		case k.Key != "":
			a.print(" (%s)", k.Key)
		default:
			a.print(" (not opened)")
		}
		a.print("\n")
		for _, c := range k.Chain {
			a.printCertificate(indent+"  ", "", c)
		}
	}
	for _, e := range s.Trusted {
		alias := e.Alias
		if strings.EqualFold(alias, e.SHA256) || s.Format == "PEM" {
			alias = "" // it says no more than the fingerprint below
		}
		a.printCertificate(indent, alias, e.certificateJSON)
	}
}

func (a *app) printCertificate(indent, alias string, c certificateJSON) {
	head := c.Subject
	if head == "" {
		head = "(no subject)"
	}
	if alias != "" {
		head = alias + ": " + head
	}
	a.print("%s%s\n", indent, printable(head))
	if !c.selfIssued {
		a.print("%s  issuer   %s\n", indent, printable(c.Issuer))
	}
	a.print("%s  valid    %s to %s UTC\n", indent, c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime))
	kind := c.Key
	if c.CA {
		kind += ", certificate authority"
	}
	a.print("%s  key      %s\n", indent, kind)
	names := append(append([]string{}, c.DNSNames...), c.IPAddresses...)
	for i, n := range names {
		names[i] = printable(n)
	}
	if len(names) > 0 {
		a.print("%s  names    %s\n", indent, strings.Join(names, "\n"+indent+"           "))
	}
	a.print("%s  sha256   %s\n", indent, fingerprint(c.SHA256))
}

// fingerprint is in pairs, as openssl and keytool show it.
func fingerprint(sha256 string) string {
	var pairs []string
	for i := 0; i+2 <= len(sha256); i += 2 {
		pairs = append(pairs, sha256[i:i+2])
	}
	return strings.ToUpper(strings.Join(pairs, ":"))
}
