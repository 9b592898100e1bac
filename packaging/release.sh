#!/bin/bash
# Builds the unsigned files of a release in target/release-files.
#
#   release.sh [ARCHITECTURE…]      the default is x86_64 aarch64
#
# For each architecture there are a .deb, an .rpm and a tarball, all with the same static binary, and an SBOM of each.
# SHA256SUMS lists them. The same commit gives the same bytes, which reproducible.sh checks.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- x86_64 aarch64
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
out=target/release-files
rm -rf "$out" target/packages
mkdir -p "$out"

tarball() {
    local name=ecs-lifecycle-agent-$version-$1-linux-static
    local tree=target/static/$name
    rm -rf "$tree"
    mkdir -p "$tree"/{completions,systemd}
    install -m 755 "$2" "$tree/ecs-lifecycle-agent"
    cp systemd/ecs-lifecycle-agent.service packaging/80-ecs-lifecycle-agent.preset "$tree/systemd/"
    cp target/dist/completions/* "$tree/completions/"
    cp target/dist/man/ecs-lifecycle-agent.8 target/dist/config.toml LICENSE CHANGELOG.md "$tree/"
    chmod -R u=rwX,go=rX "$tree"
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        --directory "${tree%/*}" "$name" | gzip --no-name --best >"$out/$name.tar.gz"
    packaging/sbom.py "$2" "$out/$name.tar.gz"
}

for arch in "$@"; do
    packaging/build.sh "$arch-unknown-linux-musl"
    binary=target/$arch-unknown-linux-musl/release/ecs-lifecycle-agent
    for package in target/packages/*; do
        mv "$package" "$out/"
        packaging/sbom.py "$binary" "$out/${package##*/}"
    done
    tarball "$arch" "$binary"
done
cd "$out"
sha256sum -- * >SHA256SUMS
cat SHA256SUMS
