#!/bin/bash
# Installs the packages that the image needs, and the lifecycle agent.
#
# This is the only script that uses a package manager. The image is Amazon Linux, but the scripts are tested on
# Debian. In the branch for Debian only the agent is installed, because the test provides stand-ins for Docker and
# the ECS agent.
set -euo pipefail
packages=/tmp/ecs-image/packages

if command -v dnf >/dev/null; then
    if [ "$UPGRADE" = true ]; then
        # Amazon Linux pins its repositories to the release of the image, so the latest one has to be named.
        dnf --assumeyes --quiet --releasever=latest upgrade
    fi
    want=(docker ecs-init curl-minimal aws-cfn-bootstrap)
    [ "$CLOUDWATCH_AGENT" != true ] || want+=(amazon-cloudwatch-agent)
    dnf --assumeyes --quiet install "${want[@]}" "$packages"/ecs-lifecycle-agent-*."$(uname -m)".rpm
    dnf --quiet clean all
elif command -v dpkg >/dev/null; then
    dpkg --install "$packages"/ecs-lifecycle-agent_*_"$(dpkg --print-architecture)".deb
else
    echo "neither dnf nor dpkg: this is no image that these scripts know" >&2
    exit 1
fi

systemctl enable docker.service ecs.service
# The package's preset enables the agent, which check.sh verifies.
