#!/bin/sh
# make.sh DIR JKS|PKCS12: a site that somebody set up by hand, as the documentation of Event
# Processing and Flink says: certificates with openssl, stores with keytool, Secrets, and the
# resources that use them.
set -eu
dir=$1 type=$2
from=$(dirname "$0")
case $type in JKS) ext=jks ;; PKCS12) ext=p12 ;; esac
mkdir -p "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ns=event-automation

ca() { # NAME SUBJECT
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/$1.key" -out "$work/$1.crt" -days 730 -subj "$2" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}
leaf() { # NAME CN SANS CA
	openssl req -newkey rsa:2048 -nodes -keyout "$work/$1.key" -out "$work/$1.csr" -subj "/O=MyOrg/CN=$2" 2>/dev/null
	printf 'subjectAltName=%s\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" >"$work/ext"
	openssl x509 -req -in "$work/$1.csr" -CA "$work/$4.crt" -CAkey "$work/$4.key" -CAcreateserial -days 730 -extfile "$work/ext" -out "$work/$1.crt" 2>/dev/null
}
trust() { # STORE PASSWORD TYPE ALIAS=CA...
	store=$1 password=$2 kind=$3
	shift 3
	for pair; do
		keytool -importcert -noprompt -keystore "$store" -storetype "$kind" -storepass "$password" -alias "${pair%%=*}" -file "$work/${pair#*=}.crt" 2>/dev/null
	done
}
keystore() { # STORE PASSWORD NAME
	openssl pkcs12 -export -in "$work/$3.crt" -inkey "$work/$3.key" -name server -passout "pass:$2" -out "$work/$3.pk12"
	keytool -importkeystore -noprompt -srckeystore "$work/$3.pk12" -srcstoretype PKCS12 -srcstorepass "$2" \
		-destkeystore "$1" -deststoretype JKS -deststorepass "$2" 2>/dev/null
}
secret() { # FILE NAMESPACE NAME KEY=PATH...
	file=$dir/$1
	printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\ntype: Opaque\ndata:\n' "$3" "$2" >"$file"
	shift 3
	for pair; do printf '  %s: %s\n' "${pair%%=*}" "$(base64 -w0 <"${pair#*=}")" >>"$file"; done
}

ca site "/C=US/ST=New York/L=New York/O=MyOrg/OU=MyOU/CN=Manual CA"
ca orders "/O=Orders/CN=Orders database CA"
ca legacy "/O=Legacy/CN=Nobody remembers"
ca kafka "/O=Streams/CN=Kafka CA"
cp "$work/orders.crt" "$dir/orders-ca.pem"
ep=my-ep-ibm-eventprocessing-svc
leaf ep "$ep" "DNS:$ep,DNS:$ep.$ns,DNS:$ep.$ns.svc,DNS:$ep.$ns.svc.cluster.local,DNS:ep.apps.example.com" site
flink=session-cluster-prod-rest
leaf flink "$flink" "DNS:$flink,DNS:$flink.$ns,DNS:$flink.$ns.svc,DNS:$flink.$ns.svc.cluster.local" site
leaf operator flink-operator DNS:flink-operator site

# The truststore holds the configured database's CA under another name, and two that only it knows.
trust "$work/truststore.$ext" db-Passw0rd "$type" "Orders DB=orders" legacy-ca=legacy "kafka [prod]=kafka"
keystore "$work/keystore.jks" flink-Passw0rd flink
trust "$work/flink-truststore.jks" flink-Passw0rd JKS flink-ca=site
trust "$work/ep-truststore.jks" ep-Passw0rd JKS flink-ca=site
keystore "$work/operator-keystore.jks" operator-Passw0rd operator
trust "$work/operator-truststore.jks" operator-Passw0rd JKS flink-ca=site
printf ep-Passw0rd >"$work/ep-password"
printf operator-Passw0rd >"$work/operator-password"

secret my-ep-cert.yaml $ns my-ep-cert ca.crt="$work/site.crt" tls.crt="$work/ep.crt" tls.key="$work/ep.key"
secret ssl-truststore.yaml $ns ssl-truststore truststore.$ext="$work/truststore.$ext"
secret flink-tls.yaml $ns flink-tls keystore.jks="$work/keystore.jks" truststore.jks="$work/flink-truststore.jks"
secret ep-flink.yaml $ns ep-flink truststore.jks="$work/ep-truststore.jks"
secret ep-flink-password.yaml $ns ep-flink-password password="$work/ep-password"
secret operator.yaml flink flink-operator-cert keystore.jks="$work/operator-keystore.jks" truststore.jks="$work/operator-truststore.jks"
secret manual-ca.yaml $ns manual-ca ca.crt="$work/site.crt" tls.crt="$work/site.crt" tls.key="$work/site.key"
secret operator-password.yaml flink operator-certificate-password password="$work/operator-password"
for f in event-processing flink-session flowcert; do
	sed "s/@EXT@/$ext/g; s/@TYPE@/$type/g" "$from/$f.yaml" >"$dir/$f.yaml"
done
