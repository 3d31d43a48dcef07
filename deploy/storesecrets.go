package deploy

import "slices"

// StoreSecrets are the Secrets from which the JVMs of a resource take key stores,
// truststores and their passwords, by the resource's own words, whoever made them;
// each once, sorted. A placeholder is none.
func StoreSecrets(r Resource) []string {
	flink := FlinkStores(r)
	files := []*StoreFile{FlinkTrustFile(r), flink.Rest.KeyStore, flink.Rest.Trust, flink.Internal.KeyStore, flink.Internal.Trust}
	for _, f := range JVMTrustStores(r) {
		files = append(files, &f)
	}
	var out []string
	for _, f := range files {
		if f == nil {
			continue
		}
		for _, name := range []string{f.Origin.Secret, f.PasswordFrom.Secret} {
			if name != "" && !Placeholder(name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
