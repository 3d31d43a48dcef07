package config

// checkLifetimes reports lifetimes that contradict each other: nothing outlives its issuer,
// and a leaf is renewed within its life, before the hard deadline.
func (v *validator) checkLifetimes() {
	const root, intermediate = "authority.selfSigned.validity", "authority.selfSigned.intermediate.validity"
	if s := v.Authority.SelfSigned; s.Intermediate.Validity > s.Validity {
		v.fail(v.firstGiven(intermediate, root), "the intermediate's validity (%s) is longer than the root's (%s); "+
			"shorten intermediate.validity or lengthen validity", s.Intermediate.Validity, s.Validity)
	}
	v.checkLifetime("defaults.validity", v.Defaults.Validity)
	for i, c := range v.Certificates {
		if path := element("certificates", i) + ".validity"; v.given(path) {
			v.checkLifetime(path, c.Validity)
		}
	}
}

// checkLifetime checks the lifetime of one leaf, or the default one.
func (v *validator) checkLifetime(path string, leaf Duration) {
	v.checkIssuerOutlives(path, leaf)
	renew, hard := v.Defaults.RenewBefore, v.Rotation.HardDeadline
	switch {
	case renew.Of(leaf.Std()) >= leaf.Std():
		at := path
		if path == "defaults.validity" {
			at = v.firstGiven("defaults.renewBefore", path)
		}
		v.fail(at, "a leaf's validity (%s) is not longer than defaults.renewBefore (%s), so that every leaf would be due at once; "+
			"lengthen the validity, or write renewBefore as a share such as 33%%", leaf, renew)
	case hard.Of(leaf.Std()) >= renew.Of(leaf.Std()):
		at := v.firstGiven("rotation.hardDeadline", "defaults.renewBefore", path)
		v.fail(at, "rotation.hardDeadline (%s) is not shorter than defaults.renewBefore (%s) at a validity of %s, "+
			"so that every renewal would be forced; set a shorter rotation.hardDeadline", hard, renew, leaf)
	}
}

// checkIssuerOutlives compares a leaf with what signs it.
func (v *validator) checkIssuerOutlives(path string, leaf Duration) {
	issuer, name, at := v.leafIssuer()
	if issuer > 0 && leaf > issuer {
		v.fail(v.firstGiven(path, at), "a leaf's validity (%s) is longer than that of the %s which signs it (%s); "+
			"shorten it or lengthen %s", leaf, name, issuer, at)
	}
}

// leafIssuer is the lifetime of what signs leaves, its name, and the field that says so. The
// lifetime of a user's CA is not known here: 0.
func (v *validator) leafIssuer() (validity Duration, name, path string) {
	const (
		root               = "authority.selfSigned.validity"
		intermediate       = "authority.selfSigned.intermediate.validity"
		intermediateOfUser = "authority.secret.intermediate.validity"
	)
	s := v.Authority.SelfSigned
	switch user := v.Authority.Secret; {
	case user != nil && user.Intermediate == nil:
		return 0, "", ""
	case user != nil:
		return user.Intermediate.Validity, "intermediate", intermediateOfUser
	case !s.Intermediate.None && s.Intermediate.Validity <= s.Validity:
		return s.Intermediate.Validity, "intermediate", intermediate
	}
	return s.Validity, "root", root
}
