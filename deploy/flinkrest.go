package deploy

// ServesREST reports whether Flink's REST endpoint speaks TLS from a key store of
// flowcert's, whoever turned TLS on.
func ServesREST(r Resource) bool {
	rest := FlinkStores(r).Rest
	return rest.TLS && rest.KeyStore != nil && rest.KeyStore.Origin.Ours
}
