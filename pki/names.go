package pki

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Lengths of DNS names: RFC 1035 2.3.4 (253 is 255 octets on the wire, written out).
const (
	maxLabel   = 63
	maxDNSName = 253
)

// A labelError says what is wrong with one label of a name.
type labelError struct {
	label  string
	reason string
}

func (e *labelError) Error() string { return fmt.Sprintf("label %q: %s", e.label, e.reason) }

// CheckDNSName accepts what may stand as a dNSName in a certificate: labels of
// letters, digits and inner hyphens (RFC 1123 2.1, RFC 5280 4.2.1.6), each at
// most 63 long, 253 in all. Upper case is allowed. One leading "*." is allowed
// over at least two labels, as OpenSSL matches no wider one. Underscores, a
// trailing dot, IP addresses and names that end in a number are refused; names
// beyond ASCII must come as punycode.
func CheckDNSName(name string) error {
	if err := checkDNSName(name); err != nil {
		return fmt.Errorf("DNS name %q: %w", shorten(name), err)
	}
	return nil
}

func checkDNSName(name string) error {
	host := name
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		host = rest
		if !strings.Contains(host, ".") {
			return errors.New("a wildcard needs at least two labels after it: clients match no wider one")
		}
	}
	switch {
	case name == "":
		return errors.New("empty")
	case len(name) > maxDNSName:
		return fmt.Errorf("%d characters, at most %d are allowed", len(name), maxDNSName)
	case strings.HasSuffix(name, "."):
		return errors.New("ends in a dot; certificates hold names without it")
	case strings.Contains(host, "*"):
		return errors.New(`a wildcard may only stand alone at the front, as in "*.apps.example.com"`)
	case isAddress(name):
		return errors.New("an IP address, not a DNS name")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if err := checkNameLabel(label); err != nil {
			return err
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return &labelError{last, "the last label is a number, which clients read as part of an IP address"}
	}
	return nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}

// checkNameLabel checks one label of a DNS name, in either case.
func checkNameLabel(label string) error {
	if label == "" {
		return &labelError{label, "empty; two dots in a row, or one at the front"}
	}
	for i := range len(label) {
		switch c := label[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		case c >= 0x80:
			return &labelError{shorten(label), "holds characters beyond ASCII; write it as punycode (xn--…)"}
		default:
			return &labelError{shorten(label), fmt.Sprintf("holds %q; letters, digits and hyphens are allowed", string(rune(c)))}
		}
	}
	if len(label) > maxLabel {
		return &labelError{label, fmt.Sprintf("%d characters, at most %d are allowed", len(label), maxLabel)}
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return &labelError{label, "starts or ends with a hyphen"}
	}
	return nil
}

// CheckLabel accepts an RFC 1123 label as Kubernetes names Services and
// namespaces: lower-case letters, digits and inner hyphens, 1 to 63 of them.
func CheckLabel(label string) error {
	if label == "" {
		return errors.New("empty name: want lower-case letters, digits and hyphens")
	}
	if strings.ToLower(label) != label {
		return fmt.Errorf("name %q: holds upper case; Kubernetes allows lower-case letters, digits and hyphens", shorten(label))
	}
	if err := checkNameLabel(label); err != nil {
		var le *labelError
		errors.As(err, &le)
		return fmt.Errorf("name %q: %s", le.label, le.reason)
	}
	return nil
}

// shorten keeps messages readable where the input is hostile.
func shorten(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
