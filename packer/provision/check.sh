#!/bin/bash
# Fails the build if an instance of this image would not work. It runs last, so nothing is changed after it.
set -uo pipefail

failures=0
fail() {
    echo "check: $*" >&2
    failures=$((failures + 1))
}

for unit in docker.service ecs.service ecs-lifecycle-agent.service ecs-image-first-boot.service ecs-image-agent-log.service; do
    state=$(systemctl is-enabled "$unit" 2>&1)
    [ "$state" = enabled ] || fail "$unit is $state, not enabled"
done
if [ "$CLOUDWATCH_AGENT" = true ]; then
    systemctl --quiet is-enabled amazon-cloudwatch-agent.service || fail "the CloudWatch agent is not enabled"
    grep --quiet --fixed-strings "\"$LOG_GROUP\"" /opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json ||
        fail "the CloudWatch agent's configuration does not name $LOG_GROUP"
    # Its default is all addresses, where any container could send metrics that scale the cluster.
    grep --quiet --fixed-strings '"service_address": "tcp://127.0.0.1:' \
        /opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json ||
        fail "the CloudWatch agent would take metrics on other addresses than 127.0.0.1"
fi

for unit in ecs-lifecycle-agent.service ecs-image-first-boot.service ecs-image-agent-log.service; do
    # systemd-analyze prints warnings but exits with status 0.
    said=$(systemd-analyze verify --man=no "/usr/lib/systemd/system/$unit" 2>&1 | grep --fixed-strings "$unit")
    [ -z "$said" ] || fail "systemd-analyze verify: $said"
done

# The binary must start here and accept the configuration.
ecs-lifecycle-agent --version || fail "the agent does not start"
said=$(ecs-lifecycle-agent check-config 2>&1) || fail "the agent's configuration: $said"
ecs-lifecycle-agent doctor --image
# Status 1 means warnings only.
[ $? -le 1 ] || fail "ecs-lifecycle-agent doctor --image found failures"

for path in /etc/ecs/ecs.config /var/lib/ecs/data /var/lib/ecs-lifecycle-agent /var/lib/ecs-image /etc/ssh/ssh_host_ed25519_key; do
    [ ! -e "$path" ] || fail "$path is this instance's own, and in the image"
done
[ ! -s /etc/machine-id ] || fail "the image has a machine id"

[ $failures = 0 ] || exit 1
echo "check: an instance of this image would work"
