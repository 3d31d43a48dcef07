#!/bin/sh
# e2etools.sh finds or installs what only `make e2e` needs, beside what tools.sh does, and prints one line for
# each. Everything goes under ${XDG_CACHE_HOME:-$HOME/.cache}/flowcert-test, and nothing into the checkout; only
# pip, Maven and a browser, where there are none, come from apt-get. Run it as often as you like.
set -eu

cache=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/flowcert-test
cd "$(dirname "$0")"

packages=
python3 -m pip --version >/dev/null 2>&1 || packages="$packages python3-pip"
command -v mvn >/dev/null 2>&1 || packages="$packages maven"
command -v chromium >/dev/null 2>&1 || packages="$packages chromium"
command -v certutil >/dev/null 2>&1 || packages="$packages libnss3-tools"
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
	# shellcheck disable=SC2086 # package names are words
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends --no-remove \
		$packages </dev/null >&2
fi

folders=$(flink/install.sh "$cache")
for folder in $folders; do
	printf '%-12s %s\n' flink "$folder"
done

for program in chromium certutil; do
	command -v "$program" >/dev/null 2>&1 && continue
	printf 'e2etools: missing: %s; on Debian, as root: apt-get install --no-install-recommends chromium libnss3-tools\n' "$program" >&2
	exit 1
done
printf '%-12s %s\n' browser "$(chromium --version 2>/dev/null)"

folder=$(operator/build.sh "$cache")
printf '%-12s %s\n' operator "$folder"
