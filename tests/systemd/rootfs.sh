#!/bin/bash
# Makes the root file system that the systemd tests boot: a minimal Debian, once, and kept.
#
#   rootfs.sh [DIRECTORY [PACKAGE,…]]      DIRECTORY/rootfs is made, with these packages beside the usual ones;
#                                          default: target/systemd
#
# Exit status 77, and why on standard output, where this machine cannot boot one.
set -euo pipefail
cd "$(dirname "$0")/../.."

directory=${1:-target/systemd}
rootfs=$directory/rootfs
stamp=$rootfs/.made-by

# dbus-broker is what Amazon Linux has.
# On Debian its own release: a binary built here finds the C library it was linked with.
suite=$(. /etc/os-release && [ "${ID-}" = debian ] && echo "${VERSION_CODENAME-}" || true)
suite=${suite:-bookworm}
packages=systemd,systemd-sysv,dbus-broker,iproute2,procps,ca-certificates${2:+,$2}

skip() {
    echo "$*"
    exit 77
}

[ "$(uname -s)" = Linux ] || skip "not Linux"
[ "$(id -u)" = 0 ] || skip "not root"

mkdir -p "$directory"
exec 9>"$directory/lock"
flock 9

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need systemd-nspawn systemd-container
need mmdebstrap mmdebstrap
need ip iproute2
need unshare util-linux
need nsenter util-linux
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || skip "no ${missing[*]}, and no apt-get to install them"
    log=$directory/apt.log
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"; } \
        >"$log" 2>&1 9>&- || skip "apt-get cannot install ${missing[*]}: $(tail -1 "$log")"
fi

# What inside.sh does is allowed here?
if ! why=$(unshare --net --pid --mount --fork --kill-child --mount-proc \
    tests/systemd/inside.sh "$directory" true 2>&1 9>&-); then
    skip "namespaces cannot be made: $(tail -1 <<<"$why")"
fi

made_by="$suite $packages"
if [ "$(cat "$stamp" 2>/dev/null)" != "$made_by" ]; then
    rm -rf "$rootfs" "$rootfs.new"
    log=$directory/mmdebstrap.log
    mmdebstrap --mode=root --variant=minbase --include="$packages" "$suite" "$rootfs.new" >"$log" 2>&1 9>&- ||
        skip "mmdebstrap cannot make a root file system: $(tail -1 "$log")"
    # A machine that has booted before: nothing is enabled but by the tests.
    tr -d - </proc/sys/kernel/random/uuid >"$rootfs.new/etc/machine-id"
    # Kept over a reboot.
    mkdir -p "$rootfs.new/var/log/journal"
    # Timers and a login prompt are of no use here.
    chroot "$rootfs.new" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer \
        e2scrub_all.timer dpkg-db-backup.timer console-getty.service systemd-networkd.service
    echo "$made_by" >"$rootfs.new/.made-by"
    mv "$rootfs.new" "$rootfs"
fi
