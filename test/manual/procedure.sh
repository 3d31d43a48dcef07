#!/bin/sh
# procedure.sh [--as-published] DIR makes by hand, with openssl and keytool, what flowcert makes for
# one Event Processing instance, its FlinkDeployments and a database truststore. It follows the
# published procedure step by step; the configuration files are our own. DIR must exist.
#
# The published templates write {NAMESPACE} without a $, so that envsubst leaves it in the names:
# --as-published does the same. Without it the names are those that were meant.
#
# The procedure ends with edits of the custom resources in a console. They are not made here.
set -eu

as_published=false
if [ "${1:-}" = --as-published ]; then
	as_published=true
	shift
fi
dir=${1:?say in which directory}

# What people put in by hand.
: "${NAME:=my-ep}" "${NAMESPACE:=event-automation}" "${CLUSTER_DOMAIN:=cluster.local}"
: "${CLUSTER_API=apps.clusterapi.com}" # empty: no routes
: "${HOSTS=}"                          # of endpoints, between blanks
: "${FLINKS=}"                         # FlinkDeployments, between blanks
: "${DATABASE_CA=}"                    # a file; empty: no truststore
: "${COUNTRY:=US}" "${STATE:=New York}" "${LOCALITY:=New York}" "${ORG:=MyOrg}" "${UNIT:=MyOU}"
: "${EMAIL:=admin@example.com}" "${CA_NAME:=event-automation CA}"
: "${DAYS:=730}"
: "${CA_KEY:=RSA:4096}" "${LEAF_KEY:=RSA:4096}" "${FLINK_KEY:=RSA:4096}" # or EC:P-256
: "${PASSWORD:=changeit}"
: "${OPENSSL:=openssl}" "${KEYTOOL:=keytool}"

umask 077
cd "$dir"
# The tools say much; it is shown if one of them fails.
exec 3>&2 >log 2>&1
trap '[ $? = 0 ] || cat log >&3' EXIT

# key SPEC FILE makes a private key.
key() {
	case $1 in
	RSA:*) set -- RSA "rsa_keygen_bits:${1#RSA:}" "$2" ;;
	EC:*) set -- EC "ec_paramgen_curve:${1#EC:}" "$2" ;;
	esac
	"$OPENSSL" genpkey -algorithm "$1" -pkeyopt "$2" -out "$3"
}

# subject COMMON-NAME prints the section that openssl req takes a subject from.
subject() {
	cat <<-END
		[req]
		prompt = no
		distinguished_name = subject
		[subject]
		C = $COUNTRY
		ST = $STATE
		L = $LOCALITY
		O = $ORG
		OU = $UNIT
		emailAddress = $EMAIL
		CN = $1
	END
}

# authority makes ca.key and ca.crt, which signs itself.
authority() {
	{
		subject "$CA_NAME"
		cat <<-END
			[authority]
			basicConstraints = critical, CA:TRUE
			subjectKeyIdentifier = hash
			authorityKeyIdentifier = keyid:always, issuer
			keyUsage = critical, keyCertSign, cRLSign
		END
	} >ca.cnf
	key "$CA_KEY" ca.key
	"$OPENSSL" req -new -x509 -config ca.cnf -extensions authority -sha256 -days "$DAYS" -key ca.key -out ca.crt
}

# leaf FILE KEY-SPEC USAGES NAME... makes FILE.key and FILE.crt; the first name is the common name.
leaf() {
	file=$1 spec=$2 usages=$3
	shift 3
	subject "$1" >"$file.cnf"
	{
		printf '%s\n' "basicConstraints = CA:FALSE" "subjectKeyIdentifier = hash" "authorityKeyIdentifier = keyid, issuer" \
			"keyUsage = critical, digitalSignature, keyEncipherment" "extendedKeyUsage = $usages" "subjectAltName = @names" "[names]"
		i=0
		for name; do
			i=$((i + 1))
			printf 'DNS.%d = %s\n' "$i" "$name"
		done
	} >"$file.ext"
	key "$spec" "$file.key"
	"$OPENSSL" req -new -config "$file.cnf" -sha256 -key "$file.key" -out "$file.csr"
	"$OPENSSL" x509 -req -in "$file.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days "$DAYS" \
		-extfile "$file.ext" -out "$file.crt"
}

# secret NAME KEY=FILE... writes a manifest, as kubectl create secret --dry-run=client does.
secret() {
	name=$1
	shift
	{
		printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\ndata:\n' "$name" "$NAMESPACE"
		for pair; do
			printf '  %s: ' "${pair%%=*}"
			"$OPENSSL" base64 -A -in "${pair#*=}"
			printf '\n'
		done
	} >"$name.yaml"
}

# trust STORE ALIAS FILE puts a CA into a JKS truststore.
trust() {
	"$KEYTOOL" -importcert -noprompt -storetype JKS -keystore "$1" -storepass "$PASSWORD" -alias "$2" -file "$3"
}

event_processing() {
	service=$NAME-ibm-eventprocessing-svc
	namespace=$NAMESPACE
	if $as_published; then namespace='{NAMESPACE}'; fi
	set -- "$service" "$service.$namespace" "$service.$namespace.svc" "$service.$namespace.svc.$CLUSTER_DOMAIN"
	if [ -n "$CLUSTER_API" ]; then
		set -- "$@" "$NAME-ibm-eventprocessing-rt-$namespace.$CLUSTER_API" "$NAME-ibm-eventprocessing-$namespace.$CLUSTER_API"
	fi
	# shellcheck disable=SC2086 # hosts are words
	leaf "$NAME" "$LEAF_KEY" serverAuth "$@" $HOSTS
	secret "$NAME-cert" ca.crt=ca.crt tls.crt="$NAME.crt" tls.key="$NAME.key"
}

# flink NAME makes the key store and the truststore of a FlinkDeployment.
flink() {
	rest=$1-rest
	leaf "$1" "$FLINK_KEY" serverAuth,clientAuth "$rest" "$rest.$NAMESPACE" "$rest.$NAMESPACE.svc" "$rest.$NAMESPACE.svc.$CLUSTER_DOMAIN"
	"$OPENSSL" pkcs12 -export -in "$1.crt" -inkey "$1.key" -certfile ca.crt -name server -passout "pass:$PASSWORD" -out "$1.p12"
	"$KEYTOOL" -importkeystore -noprompt -srcstoretype PKCS12 -srckeystore "$1.p12" -srcstorepass "$PASSWORD" \
		-deststoretype JKS -destkeystore "$1-keystore.jks" -deststorepass "$PASSWORD"
	trust "$1-truststore.jks" ca ca.crt
	secret "$1-tls" keystore.jks="$1-keystore.jks" truststore.jks="$1-truststore.jks"
}

authority
event_processing
printf %s "$PASSWORD" >password
for f in $FLINKS; do flink "$f"; done
for f in $FLINKS; do # the first is the one that Event Processing calls
	secret "$NAME-flink-trust" truststore.jks="$f-truststore.jks" password=password
	break
done
if [ -n "$DATABASE_CA" ]; then
	trust ssl-truststore.jks orders-db "$DATABASE_CA"
	secret ssl-truststore truststore.jks=ssl-truststore.jks password=password
fi
