#!/bin/bash
# Installs what the image needs, and the lifecycle agent.
#
# The only script that knows a package manager. The image is Amazon Linux; the test of these scripts has
# no Amazon Linux to run them on, so there is a branch for Debian, on which nothing but the agent is
# installed: what stands in for Docker and the ECS agent is the test's.
set -euo pipefail
packages=/tmp/ecs-image/packages

if command -v dnf >/dev/null; then
    if [ "$UPGRADE" = true ]; then
        # Amazon Linux pins its repositories to the release of the image: latest means latest.
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
# Enabled by the package's preset: check.sh looks.
