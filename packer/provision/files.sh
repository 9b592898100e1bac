#!/bin/bash
# Puts in place what belongs to the image rather than to the agent: the first boot, and the logs.
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
    # A log group's name has letters, digits and _ - / . # only.
    sed "s#@LOG_GROUP@#${LOG_GROUP//#/\\#}#" "$files/cloudwatch-agent.json" >"$etc/amazon-cloudwatch-agent.json"
    systemctl enable amazon-cloudwatch-agent.service
fi
