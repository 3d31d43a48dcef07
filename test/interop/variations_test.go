package interop

import (
	"fmt"
	"strings"
)

// A variation is a configuration and what the certificates under it have to be.
type variation struct {
	name    string
	config  string   // "": the quick start as it is
	words   []string // replaced in the manifests, see newSite
	ep      instance
	flink   instance
	subject string // in front of every leaf's CN, as RFC 2253 prints it behind: ",O=…"
	caKey   string // as openssl prints it
	caCount int    // intermediates that a leaf comes with
	// constraints are what the intermediate of Event Processing permits and excludes, as openssl prints it;
	// "" for no name constraints.
	constraints string
}

// An instance is a resource with its certificate.
type instance struct {
	namespace, name string
	key             string // as openssl prints it
	usage           string
	names           []string // the exact list
	email           string   // beside the names
}

const (
	noIPs   = " Excluded: IP:0.0.0.0/0.0.0.0 IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0"
	forRSA  = "Digital Signature, Key Encipherment"
	signing = "Digital Signature"
	rsa2048 = "Public-Key: (2048 bit)"
	rsa3072 = "Public-Key: (3072 bit)"
	rsa4096 = "Public-Key: (4096 bit)"
	p256    = "ASN1 OID: prime256v1"
	p384    = "ASN1 OID: secp384r1"
)

const smallKeys = `authority: {selfSigned: {key: {size: 2048}}}
defaults: {key: {size: 2048}}
`

const shortLists = `eventProcessing: [{name: my-ep}]
flinkDeployments: [{name: session-cluster-prod}]
truststores: [{sources: [{name: orders-db, file: orders-ca.pem}]}]
`

// epNames are the documented names of Event Processing's service; more follow.
func epNames(namespace, name, clusterDomain string, more ...string) []string {
	service := name + "-ibm-eventprocessing-svc"
	return append([]string{service, service + "." + namespace, service + "." + namespace + ".svc",
		service + "." + namespace + ".svc." + clusterDomain}, more...)
}

func flinkNames(namespace, name, clusterDomain string) []string {
	service := name + "-rest"
	return []string{service, service + "." + namespace, service + "." + namespace + ".svc",
		service + "." + namespace + ".svc." + clusterDomain}
}

func variations() []variation {
	return []variation{
		quickStart(), fullSubject(), ecdsa(), noIntermediate(), noNameConstraints(), listedNameConstraints(),
		longNames(), manyHosts(), twoNamespaces(),
	}
}

const automatic = "Permitted: DNS:event-automation DNS:event-automation.svc DNS:event-automation.svc.cluster.local " +
	"DNS:ep.apps.example.com DNS:my-ep-ibm-eventprocessing-svc DNS:session-cluster-prod-rest" + noIPs

// vary returns the short configuration with more, and what comes of it if more changes nothing.
func vary(name, more string) variation {
	return variation{
		name: name, config: "namespace: event-automation\n" + shortLists + more,
		caKey: rsa2048, caCount: 1, constraints: automatic,
		ep: instance{namespace: namespace, name: "my-ep", key: rsa2048, usage: forRSA,
			names: epNames(namespace, "my-ep", "cluster.local", "ep.apps.example.com")},
		flink: instance{namespace: namespace, name: "session-cluster-prod", key: rsa2048, usage: forRSA,
			names: flinkNames(namespace, "session-cluster-prod", "cluster.local")},
	}
}

// quickStart is the example as it is, with its keys of full size.
func quickStart() variation {
	v := vary("quick start", "")
	v.config, v.caKey, v.ep.key, v.flink.key = "", rsa4096, rsa3072, rsa3072
	v.constraints = strings.Replace(automatic, " DNS:session-", " DNS:orders-enrichment-rest DNS:session-", 1)
	return v
}

// fullSubject has everything that a subject may have, OpenShift's routes and another cluster domain.
func fullSubject() variation {
	v := vary("full subject", `clusterDomain: cluster.internal
clusterAPI: https://console-openshift-console.apps.clusterapi.com/
authority:
  selfSigned:
    key: {size: 2048}
    subject:
      commonName: My root
      organization: MyOrg
      organizationalUnit: MyOU
      country: US
      province: New York
      locality: New York
      emailAddress: certs@example.com
defaults: {key: {size: 2048}}
flinkOperator: {namespace: flink-operator}
`)
	v.config = strings.Replace(v.config, "{name: my-ep}", "{name: my-ep, extraDNSNames: ['*.ep.example.com', Flows.Example.com]}", 1)
	v.subject = ",emailAddress=certs@example.com,OU=MyOU,O=MyOrg,L=New York,ST=New York,C=US"
	v.ep.email, v.flink.email = "certs@example.com", "certs@example.com"
	v.ep.names = epNames(namespace, "my-ep", "cluster.internal",
		"my-ep-ibm-eventprocessing-rt-event-automation.apps.clusterapi.com",
		"my-ep-ibm-eventprocessing-event-automation.apps.clusterapi.com",
		"ep.apps.example.com", "*.ep.example.com", "Flows.Example.com")
	v.flink.names = flinkNames(namespace, "session-cluster-prod", "cluster.internal")
	v.constraints = "Permitted: DNS:event-automation DNS:event-automation.svc DNS:event-automation.svc.cluster.internal " +
		"DNS:apps.clusterapi.com DNS:ep.apps.example.com DNS:ep.example.com DNS:flows.example.com " +
		"DNS:my-ep-ibm-eventprocessing-svc DNS:session-cluster-prod-rest" + noIPs
	return v
}

// ecdsa has ECDSA keys everywhere but in Flink's stores, which take RSA.
func ecdsa() variation {
	v := vary("ECDSA", `authority: {selfSigned: {key: {algorithm: ECDSA, size: 384}}}
defaults: {key: {algorithm: ECDSA}}
flinkOperator: {namespace: flink-operator}
`)
	v.config = strings.Replace(v.config, "{name: session-cluster-prod}", "{name: session-cluster-prod, tls: {format: PKCS12}}", 1)
	v.caKey, v.flink.key, v.ep.key, v.ep.usage = p384, rsa3072, p256, signing
	return v
}

// noIntermediate has the root sign leaves.
func noIntermediate() variation {
	v := vary("no intermediate", `authority: {selfSigned: {key: {size: 2048}, intermediate: none}}
defaults: {key: {size: 2048}}
`)
	v.caCount, v.constraints = 0, ""
	return v
}

func noNameConstraints() variation {
	v := vary("no name constraints", `authority: {selfSigned: {key: {size: 2048}, nameConstraints: none}}
defaults: {key: {size: 2048}}
`)
	v.constraints = ""
	return v
}

func listedNameConstraints() variation {
	v := vary("listed name constraints", `authority:
  selfSigned:
    key: {size: 2048}
    nameConstraints: {permittedDNS: [event-automation, svc, local, apps.example.com, my-ep-ibm-eventprocessing-svc, session-cluster-prod-rest]}
defaults: {key: {size: 2048}}
`)
	v.constraints = "Permitted: DNS:event-automation DNS:svc DNS:local DNS:apps.example.com " +
		"DNS:my-ep-ibm-eventprocessing-svc DNS:session-cluster-prod-rest" + noIPs
	return v
}

// longNames are as long as Kubernetes and a common name allow.
func longNames() variation {
	v := vary("long names", "")
	ns := strings.Repeat("n", 64-len(" CA G99"))
	v.ep.name, v.flink.name = strings.Repeat("e", 63-len("-ibm-eventprocessing-svc")), strings.Repeat("f", 45)
	v.words = []string{"my-ep", v.ep.name, "session-cluster-prod", v.flink.name}
	v.config = "namespace: " + ns + "\n" + smallKeys + strings.NewReplacer(v.words...).Replace(shortLists)
	v.ep.namespace, v.flink.namespace = ns, ns
	v.ep.names = epNames(ns, v.ep.name, "cluster.local", "ep.apps.example.com")
	v.flink.names = flinkNames(ns, v.flink.name, "cluster.local")
	v.constraints = fmt.Sprintf("Permitted: DNS:%s DNS:%[1]s.svc DNS:%[1]s.svc.cluster.local DNS:%s DNS:ep.apps.example.com DNS:%s-rest%s",
		ns, v.ep.names[0], v.flink.name, noIPs)
	return v
}

// manyHosts has a hundred hosts, none below another, in the leaf and in the name constraints.
func manyHosts() variation {
	v := vary("many hosts", smallKeys)
	var hosts []string
	for i := range 100 {
		hosts = append(hosts, fmt.Sprintf("flows.site-%03d.example.org", i))
	}
	v.config = strings.Replace(v.config, "{name: my-ep}", "{name: my-ep, extraDNSNames: ["+strings.Join(hosts, ", ")+"]}", 1)
	v.ep.names = append(v.ep.names, hosts...)
	v.constraints = strings.Replace(v.constraints, " DNS:my-ep-", " DNS:"+strings.Join(hosts, " DNS:")+" DNS:my-ep-", 1)
	return v
}

// twoNamespaces has Flink in a namespace of its own, under an intermediate of its own.
func twoNamespaces() variation {
	v := vary("two namespaces", smallKeys)
	v.config = strings.Replace(v.config, "{name: session-cluster-prod}", "{name: session-cluster-prod, namespace: flink}", 1)
	v.words = []string{"name: session-cluster-prod", "name: session-cluster-prod\n  namespace: flink", "rest:8081", "rest.flink:8081"}
	v.flink.namespace = "flink"
	v.flink.names = flinkNames("flink", v.flink.name, "cluster.local")
	v.constraints = strings.Replace(v.constraints, " DNS:session-cluster-prod-rest", "", 1)
	return v
}
