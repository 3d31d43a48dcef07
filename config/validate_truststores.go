package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxTruststoreName leaves room for "-" and ten hex digits in the 63 characters of a volume.
const maxTruststoreName = maxLabel - len("-0123456789")

var checkTruststoreName = checkLabelOf(maxTruststoreName, "a version's name has 11 more, and a volume's name 63")

func (v *validator) checkTruststores() {
	seen := map[Ref]int{}
	for i, t := range v.Truststores {
		path := element("truststores", i)
		if v.faulty[path] {
			continue
		}
		if t.Name == "" {
			v.fail(path+".name", "is missing; only where there is one truststore its name is ssl-truststore by itself")
		} else {
			v.check(path+".name", t.Name, checkTruststoreName)
		}
		v.namespace(path, t.Namespace)
		v.unique(seen, path+".name", Ref{t.Namespace, t.Name}, t.Line)
		v.secretRef(path+".password.secret", t.Password)
		v.check(path+".publicCAs", t.PublicCAs.File, checkFile)
		v.checkSources(path, t)
	}
}

func (v *validator) checkSources(truststore string, t Truststore) {
	if len(t.Sources) == 0 {
		v.fail(truststore+".sources", "is missing; name at least one, such as {name: orders-db, file: orders-ca.pem}")
	}
	seen := map[string]int{}
	for i, s := range t.Sources {
		path := element(truststore+".sources", i)
		if v.faulty[path] {
			continue
		}
		v.name(path+".name", s.Name, checkAlias)
		// Java folds the case of aliases.
		if first, ok := seen[strings.ToLower(s.Name)]; ok && s.Name != "" {
			v.fail(path+".name", "%s is the name of another source, on line %d; Java tells aliases apart without case", quote(s.Name), first)
		}
		seen[strings.ToLower(s.Name)] = s.Line
		v.checkOrigin(path, s)
		for j, server := range s.Servers {
			if at := element(path+".servers", j); server.Address == "" && !v.faulty[at] {
				v.fail(at+".address", "is missing; write host:port")
			}
		}
	}
}

// checkOrigin wants exactly one origin of a source's certificates.
func (v *validator) checkOrigin(path string, s Source) {
	has := map[string]bool{"file": s.File != "", "secret": s.Secret != nil, "configMap": s.ConfigMap != nil, "authority": s.Authority}
	var given []string
	for _, origin := range []string{"file", "secret", "configMap", "authority"} {
		if has[origin] || v.faulty[path+"."+origin] {
			given = append(given, origin)
		}
	}
	switch {
	case len(given) == 0:
		v.fail(path, "says nowhere where its certificates are; give one of file, secret, configMap or authority: true")
	case len(given) > 1:
		v.fail(path, "has %s; keep one", strings.Join(given, " and "))
	}
	v.check(path+".file", s.File, checkFile)
	v.secretRef(path+".secret", s.Secret)
	if m := s.ConfigMap; m != nil && !v.faulty[path+".configMap"] {
		v.keyRef(path+".configMap", m.Namespace, m.Name, m.Key)
	}
}

// checkAlias takes a source name that package truststore makes an alias of as it is.
func checkAlias(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if len(name) > 63 || strings.Trim(name, letters+"._-") != "" || !strings.Contains(letters, name[:1]) {
		return fmt.Errorf("%s cannot be an alias; 1 to 63 letters of ASCII, digits, '.', '_' and '-' can, the first a letter or digit", quote(name))
	}
	return nil
}

// checkMounts wants workloads that are configured, and one truststore for each of them: a
// JVM has one javax.net.ssl.trustStore.
func (v *validator) checkMounts() {
	known := map[TargetKind][]Ref{}
	for _, t := range v.Workloads() {
		known[t.Kind] = append(known[t.Kind], Ref{t.Namespace, t.Name})
	}
	mounted := map[Target]string{}
	for i, t := range v.Truststores {
		path := element("truststores", i)
		v.checkRefs(path+".mountIn.", "eventProcessing", known[KindEventProcessing], t.MountIn.EventProcessing)
		v.checkRefs(path+".mountIn.", "flinkDeployments", known[KindFlinkDeployment], t.MountIn.FlinkDeployments)
		v.checkOneTruststore(path, KindEventProcessing, t.MountIn.EventProcessing, mounted)
		v.checkOneTruststore(path, KindFlinkDeployment, t.MountIn.FlinkDeployments, mounted)
	}
}

// checkRefs reports what mountIn names and the list of workloads does not.
func (v *validator) checkRefs(mountIn, list string, known, refs []Ref) {
	path := mountIn + list
	if !v.given(path) || v.faultyNames(list) {
		return
	}
	seen := map[Ref]bool{}
	for i, ref := range refs {
		at := element(path, i)
		switch {
		case ref.Name == "":
		case !slices.Contains(known, ref):
			v.fail(at, "%s is not configured under %s%s", quote(ref.String()), list, refHint(ref, known))
		case seen[ref]:
			v.fail(at, "%s is listed twice; remove one", quote(ref.String()))
		}
		seen[ref] = true
	}
}

// faultyNames tells whether some name in a list of entries could not be read, so that one
// cannot say what is missing in it.
func (v *validator) faultyNames(list string) bool {
	for path := range v.faulty {
		if path == list || strings.HasPrefix(path, list+"[") &&
			(strings.HasSuffix(path, "]") || strings.HasSuffix(path, ".secretName") ||
				strings.HasSuffix(path, ".name") || strings.HasSuffix(path, ".namespace")) {
			return true
		}
	}
	return false
}

func refHint(ref Ref, known []Ref) string {
	var names []string
	for _, k := range known {
		if k.Name == ref.Name {
			return "; did you mean " + k.String() + "?"
		}
		names = append(names, k.String())
	}
	return didYouMean(ref.String(), names)
}

func (v *validator) checkOneTruststore(path string, kind TargetKind, refs []Ref, mounted map[Target]string) {
	for _, ref := range refs {
		target := Target{kind, ref.Namespace, ref.Name}
		first, ok := mounted[target]
		if !ok || first == path {
			mounted[target] = path
			continue
		}
		v.fail(v.firstGiven(path+".mountIn", path), "%s would mount two truststores (the other on line %d), and a JVM takes one; "+
			"give it all sources in one truststore, or list in mountIn who mounts which", target, v.line(first))
	}
}
