#!/bin/sh
# Makes two-cas.pem, whose truststores TestEncodeTrustBytes pins. New
# certificates need new sums there.
set -eu
cd "$(dirname "$0")"
key=$(mktemp)
trap 'rm -f "$key"' EXIT
for name in "First database CA" "Second database CA"; do
  openssl ecparam -genkey -name prime256v1 -noout -out "$key"
  openssl req -x509 -new -key "$key" -days 3650 -subj "/CN=$name"
done >two-cas.pem
