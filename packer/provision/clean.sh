#!/bin/bash
# Removes what belongs to this instance and must not be in the image. Only the check runs after it.
set -euo pipefail

# With this instance's identity in the image, every instance would register as the same container instance.
systemctl stop ecs-lifecycle-agent.service ecs.service ecs-image-agent-log.service 2>/dev/null || true
rm -rf /var/lib/ecs/data /var/lib/private/ecs-lifecycle-agent /var/lib/ecs-lifecycle-agent
rm -rf /var/lib/ecs-image
rm -f /etc/ecs/ecs.config /etc/ecs-image/first-boot.env /etc/ecs-lifecycle-agent/environment

# cloud-init must treat the first boot of every instance as its first.
if command -v cloud-init >/dev/null; then
    cloud-init clean --logs
fi
rm -f /etc/ssh/ssh_host_*
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys

find /var/log -type f -not -path '/var/log/journal/*' -exec truncate --size=0 {} +
# The directories here are named after machine ids, which no instance of the image will have.
rm -rf /var/log/journal/*
: >/etc/machine-id
rm -f /root/.bash_history /home/*/.bash_history
rm -rf /tmp/ecs-image
sync
