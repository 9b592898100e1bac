#!/bin/bash
# The first process of a test's own namespaces (unshare --net --pid --mount): sets up what the test boots
# its machine on, runs it, and leaves nothing behind.
#
#   inside.sh DIRECTORY COMMAND…
#
# The command finds the machine's root file system at DIRECTORY/layer/machine: DIRECTORY/rootfs with a
# writable layer over it, which is gone with the mount namespace.
set -euo pipefail
directory=$1
shift

# The network of an instance: itself, and the metadata service. No other address can be reached.
ip link set lo up
ip address add 169.254.169.254/32 dev lo

# Whatever the host has, the machine gets the unified hierarchy, and a group of its own.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# What a run that was killed left behind; one in use says no.
find /sys/fs/cgroup -depth -type d -path '/sys/fs/cgroup/ecs-lifecycle-test.*' -mmin +5 \
    -exec rmdir {} + 2>/dev/null || true
group=$(mktemp -d /sys/fs/cgroup/ecs-lifecycle-test.XXXXXX)
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn

mkdir -p "$directory"/{rootfs,layer}
rootfs=$directory/rootfs
layer=$directory/layer
mount -t tmpfs -o mode=0755 tmpfs "$layer"
mkdir "$layer"/{upper,work,machine}
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$layer/upper,workdir=$layer/work" "$layer/machine"

status=0
MACHINE_CGROUP=$group "$@" || status=$?
if [ $status != 0 ] && [ -e "$layer/console" ]; then
    tail --lines=20 "$layer/console"
    chroot "$layer/machine" journalctl --directory=/var/log/journal --output=short-monotonic --lines=80
fi >&2

# As the first process, this reaches everything else in here, and nothing outside.
kill -KILL -1 2>/dev/null || true
for _ in $(seq 50); do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.1
done
exit $status
