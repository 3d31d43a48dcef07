package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// explain turns a refusal into one clause for people. Dates come first: they are the
// usual cause, and crypto/x509 reports them as an unknown authority.
func explain(err error, chain, anchors []*x509.Certificate, at time.Time) error {
	if dated := explainDates(chain, anchors, at); dated != nil && isAuthority(err) {
		return dated
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return explainUnknown(chain, anchors)
	}
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return plain(err)
	}
	switch invalid.Reason {
	case x509.IncompatibleUsage:
		return fmt.Errorf("%q is not for this use: its extended key usage, or that of a CA above it, does not allow it", displayName(chain[0]))
	case x509.TooManyIntermediates:
		return fmt.Errorf("%q has a pathLen that leaves no room for the certificates below it", displayName(invalid.Cert))
	case x509.NotAuthorizedToSign:
		return fmt.Errorf("%q is not a CA", displayName(invalid.Cert))
	case x509.CANotAuthorizedForThisName:
		return fmt.Errorf("%q has a name that a CA above it may not sign: %s", displayName(chain[0]), invalid.Detail)
	}
	return plain(err)
}

// isAuthority reports whether an error may in truth be about dates.
func isAuthority(err error) bool {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unknown) || errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

// explainDates finds the lowest certificate on the way up that is not valid now.
func explainDates(chain, anchors []*x509.Certificate, at time.Time) error {
	for _, c := range wayUp(chain, anchors) {
		switch {
		case at.After(c.NotAfter):
			return fmt.Errorf("%q expired on %s", displayName(c), stamp(c.NotAfter))
		case at.Before(c.NotBefore):
			return fmt.Errorf("%q is not valid before %s", displayName(c), stamp(c.NotBefore))
		}
	}
	return nil
}

// wayUp follows the signatures from the leaf through chain and anchors.
func wayUp(chain, anchors []*x509.Certificate) []*x509.Certificate {
	way := chain[:1:1]
	for {
		top := way[len(way)-1]
		all := slices.Concat(anchors, chain)
		i := slices.IndexFunc(all, func(ca *x509.Certificate) bool {
			return signed(ca, top) && !slices.ContainsFunc(way, ca.Equal)
		})
		if i < 0 {
			return way
		}
		way = append(way, all[i])
	}
}

func explainUnknown(chain, anchors []*x509.Certificate) error {
	way := wayUp(chain, nil)
	leaf, top := way[0], way[len(way)-1]
	for _, a := range anchors {
		switch {
		case !bytes.Equal(a.RawSubject, top.RawIssuer), a.Equal(top):
		case a.Version == 3 && mayIssue(a) != nil:
			return fmt.Errorf("no anchor verifies %q: %w", displayName(leaf), mayIssue(a))
		case !signed(a, top):
			return fmt.Errorf("no anchor verifies %q: the trusted %q did not sign %q, it has another key",
				displayName(leaf), displayName(a), displayName(top))
		case !matchesKeyID(a, top):
			return fmt.Errorf("no anchor verifies %q: %q names another key identifier or serial number than the trusted %q has",
				displayName(leaf), displayName(top), displayName(a))
		}
	}
	issuer := SubjectOf(top.Issuer).CommonName
	if issuer == "" {
		issuer = top.Issuer.String()
	}
	if IsSelfSigned(top) {
		return fmt.Errorf("no anchor verifies %q: %q is not among the trusted certificates", displayName(leaf), displayName(top))
	}
	return fmt.Errorf("no anchor verifies %q: its issuer %q is not among the trusted certificates", displayName(leaf), issuer)
}
