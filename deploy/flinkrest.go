package deploy

// WroteREST reports whether flowcert turned TLS on at Flink's REST endpoint, and
// nobody has turned it off since.
func WroteREST(r Resource) bool {
	const key = "security.ssl.rest.enabled"
	c, err := readConf(r)
	if err != nil || !c.isTrue(key) {
		return false
	}
	at, err := c.where(key)
	if err != nil {
		return false
	}
	record, err := readLedger(r)
	value, _ := c.get(key)
	return err == nil && record.wrote(at, value)
}
