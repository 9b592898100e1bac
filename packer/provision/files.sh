#!/bin/bash
# Installs the files of the image that the agent's package does not have: the first boot, and the logs.
set -euo pipefail
files=/tmp/ecs-image/files

install -D --mode=755 "$files/first-boot" /usr/libexec/ecs-image/first-boot
install -D --mode=644 --target-directory=/usr/lib/systemd/system \
    "$files/ecs-image-first-boot.service" "$files/ecs-image-agent-log.service"
install -D --mode=644 "$files/environment.conf" \
    /usr/lib/systemd/system/ecs-lifecycle-agent.service.d/image.conf
install --directory --mode=755 /etc/ecs /etc/ecs-image /var/log/ecs
systemctl enable ecs-image-first-boot.service ecs-image-agent-log.service

if [ "$CLOUDWATCH_AGENT" = true ]; then
    etc=/opt/aws/amazon-cloudwatch-agent/etc
    install --directory --mode=755 "$etc"
    # The name of a log group has only letters, digits and _ - / . # in it.
    sed "s#@LOG_GROUP@#${LOG_GROUP//#/\\#}#" "$files/cloudwatch-agent.json" >"$etc/amazon-cloudwatch-agent.json"
    systemctl enable amazon-cloudwatch-agent.service
fi
