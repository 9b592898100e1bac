#!/bin/bash
# Installs what a few tests need of Debian: a proxy, and a clock that is wrong.
#
# Exit status 77, and why on standard output, where that cannot be.
set -euo pipefail

skip() {
    echo "$*"
    exit 77
}

missing=()
need() { [ -e "$1" ] || missing+=("$2"); }
need /usr/bin/tinyproxy tinyproxy-bin
need "/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1" libfaketime
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" = 0 ] || skip "not root"
command -v apt-get >/dev/null || skip "no ${missing[*]}, and no apt-get to install them"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
exec 9>/tmp/ecs-lifecycle-packages.lock
flock 9
{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1 9>&- || skip "apt-get cannot install ${missing[*]}: $(tail -1 "$log")"
