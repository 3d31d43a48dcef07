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

// checkIssuerOutlives compares a leaf with what signs it. The lifetime of a user's CA is
// not known here.
func (v *validator) checkIssuerOutlives(path string, leaf Duration) {
	if v.Authority.Secret != nil {
		return
	}
	s := v.Authority.SelfSigned
	issuer, name, at := s.Validity, "root", "authority.selfSigned.validity"
	if i := s.Intermediate; !i.None && i.Validity <= s.Validity {
		issuer, name, at = i.Validity, "intermediate", "authority.selfSigned.intermediate.validity"
	}
	if leaf > issuer {
		v.fail(v.firstGiven(path, at), "a leaf's validity (%s) is longer than that of the %s which signs it (%s); "+
			"shorten it or lengthen %s", leaf, name, issuer, at)
	}
}
