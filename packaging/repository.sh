#!/bin/bash
# Makes a signed dnf repository and a signed apt repository that contain only the given packages.
#
#   repository.sh DIRECTORY KEY PACKAGE…
#
# gpg must have the secret part of KEY. DIRECTORY/ecs-lifecycle-agent.asc is its public part, rpm/ contains the
# signed packages and signed metadata, and deb/ is an apt repository with the suite "stable". It needs Debian's
# createrepo-c, gnupg, reprepro and rpm.
set -euo pipefail

directory=$1
key=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$directory/rpm" "$work/conf"
gpg --batch --yes --armor --output "$directory/ecs-lifecycle-agent.asc" --export "$key"
cat >"$work/conf/distributions" <<END
Origin: ecs-lifecycle-agent
Codename: stable
Architectures: amd64 arm64
Components: main
SignWith: $(gpg --batch --with-colons --list-keys "$key" | awk -F: '/^fpr/ { print $10; exit }')
END
for package in "$@"; do
    case $package in
    *.rpm)
        cp "$package" "$directory/rpm/"
        rpmsign --define "__gpg $(command -v gpg)" --define "_gpg_name $key" --addsign "$directory/rpm/${package##*/}"
        ;;
    *.deb)
        reprepro --silent --confdir "$work/conf" --dbdir "$work/db" --outdir "$(realpath "$directory")/deb" \
            includedeb stable "$package"
        ;;
    esac
done
createrepo_c --quiet "$directory/rpm"
gpg --batch --yes --local-user "$key" --armor --detach-sign "$directory/rpm/repodata/repomd.xml"
