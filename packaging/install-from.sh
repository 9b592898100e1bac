#!/bin/bash
# Installs the agent from a signed repository, with every signature checked.
#
#   install-from.sh URL [dnf | apt]
#
# URL may be a directory made by repository.sh. Without the second argument, dnf is used if it is installed.
set -euo pipefail

url=$1
manager=${2-$(command -v dnf >/dev/null && echo dnf || echo apt)}
key=$(mktemp)
case $url in
/*)
    cp "$url/ecs-lifecycle-agent.asc" "$key"
    url=file://$url
    ;;
*) curl --fail --silent --show-error --output "$key" "$url/ecs-lifecycle-agent.asc" ;;
esac
if [ "$manager" = dnf ]; then
    install -D -m 644 "$key" /etc/pki/rpm-gpg/RPM-GPG-KEY-ecs-lifecycle-agent
    mkdir -p /etc/yum.repos.d
    cat >/etc/yum.repos.d/ecs-lifecycle-agent.repo <<END
[ecs-lifecycle-agent]
name=ecs-lifecycle-agent
baseurl=$url/rpm
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-ecs-lifecycle-agent
END
    dnf --assumeyes --refresh install ecs-lifecycle-agent
else
    install -m 644 "$key" /usr/share/keyrings/ecs-lifecycle-agent.asc
    echo "deb [signed-by=/usr/share/keyrings/ecs-lifecycle-agent.asc] $url/deb stable main" \
        >/etc/apt/sources.list.d/ecs-lifecycle-agent.list
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes ecs-lifecycle-agent
fi
ecs-lifecycle-agent --version
