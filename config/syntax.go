package config

// A syntax is what a kind of text looks like, for the schema. A pattern takes all that the
// parser takes, and as little else as can be said in a few characters that mean the same in
// Go and in JavaScript.
type syntax struct {
	pattern  string
	words    string // what to write, where the pattern does not match
	most     int    // characters; 0: any number
	textOnly bool   // no number or boolean of YAML's is such a text
}

// Parts of patterns.
const (
	labelPart  = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	hostPart   = `[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?`
	hostsPart  = hostPart + `(\.` + hostPart + `)*`
	amountPart = `([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)` // as time.ParseDuration reads it
	durations  = `(\+?(` + amountPart + `)+|[0-9]+d([0-9]+(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h)(` + amountPart + `)*)?)`
)

var (
	label = syntax{pattern: `^` + labelPart + `$`, most: maxLabel,
		words: "a name of Kubernetes: lower-case letters, digits and inner hyphens"}
	eventProcessingName = syntax{pattern: label.pattern, most: maxLabel - len(epService),
		words: label.words + ", short enough for the Service's name"}
	truststoreName = syntax{pattern: label.pattern, most: maxTruststoreName,
		words: label.words + ", short enough for a version's name"}
	flinkName = syntax{pattern: `^[a-z]([-a-z0-9]*[a-z0-9])?$`, most: maxFlinkName,
		words: "lower-case letters, digits and inner hyphens, a letter first, as the Flink operator wants it"}
	objectName = syntax{pattern: `^` + labelPart + `(\.` + labelPart + `)*$`, most: maxObjectName,
		words: "a name of Kubernetes: lower-case letters, digits, '-' and '.'"}
	dataKey = syntax{pattern: `^[-A-Za-z0-9_.]+$`, most: maxObjectName,
		words: "letters, digits, '-', '_' and '.'"}
	alias = syntax{pattern: `^[A-Za-z0-9][-A-Za-z0-9_.]*$`, most: 63,
		words: "letters of ASCII, digits, '-', '_' and '.', a letter or digit first"}

	hostName = syntax{pattern: `^` + hostsPart + `$`, most: maxObjectName,
		words: "a host name, without scheme, port and wildcard"}
	dnsName = syntax{pattern: `^(\*\.)?` + hostsPart + `$`, most: maxObjectName,
		words: "a DNS name, without scheme and port; a wildcard stands alone at the front"}
	clusterAPI = syntax{pattern: `^([Hh][Tt][Tt][Pp][Ss]?://.+|` + hostsPart + `)$`,
		words: "the apps domain, such as apps.clusterapi.com, or the URL of the OpenShift console"}
	ipAddress = syntax{pattern: `^[0-9A-Fa-f:.]+$`, words: "a single IP address", textOnly: true}
	address   = syntax{pattern: `^[^/]+:[0-9]+$`, words: "host:port", textOnly: true}
	reference = syntax{pattern: `^[^/]+(/[^/]+)?$`, words: "name or namespace/name"}
	target    = syntax{pattern: `^(eventProcessing|flinkDeployment|certificate)/[^/]+/[^/]+$`, textOnly: true,
		words: "kind/namespace/name, where kind is eventProcessing, flinkDeployment or certificate"}

	duration = syntax{pattern: `^` + durations + `$`, textOnly: true,
		words: "a duration such as 365d, 12h or 1d12h; m is minutes"}
	before = syntax{pattern: `^(0*[1-9][0-9]? *%|` + durations + `)$`, textOnly: true,
		words: "a share such as 33%, or a duration such as 30d"}
	schedule = syntax{pattern: `^[0-9A-Za-z*/,+-]+([^0-9A-Za-z*/,+-]+[0-9A-Za-z*/,+-]+){4}$`, textOnly: true,
		words: "five cron fields, such as 0 2 * * SUN"}

	country     = syntax{pattern: `^[A-Za-z]{2}$`, words: "two letters of ISO 3166", textOnly: true}
	fingerprint = syntax{pattern: `^:*([0-9A-Fa-f]:*){64}$`, words: "a SHA-256 fingerprint: 64 hex digits, colons allowed"}
	storeFormat = syntax{pattern: `^([Jj][Kk][Ss]|[Pp][Kk][Cc][Ss]12)$`, words: "JKS or PKCS12", textOnly: true}
)
