#!/bin/bash
# Builds the packages: target/packages/*.deb and *.rpm.
#
#   build.sh [TARGET]     TARGET is such as aarch64-unknown-linux-musl; the default is this machine
#
# Without a TARGET the binary is linked with the C library of this machine, and the build fails if that makes a
# binary that does not start on Amazon Linux 2023. With one, it is the static binary of a release: compile.sh.
#
# It needs the tools that `make packages` installs, and the man page and completions in target/dist.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1-}
dist=target/dist
packages=target/packages
export PATH=$PWD/target/tools/bin:$PWD/target/zig/bin:$PATH
cargo=${CARGO:-cargo}

for file in config.toml man/ecs-lifecycle-agent.8 completions/{ecs-lifecycle-agent.bash,_ecs-lifecycle-agent,ecs-lifecycle-agent.fish}; do
    [ -s "$dist/$file" ] || { echo "there is no $dist/$file: make docs" >&2; exit 1; }
done
gzip --no-name --best --to-stdout "$dist/man/ecs-lifecycle-agent.8" >"$dist/man/ecs-lifecycle-agent.8.gz"

# Files and packages get this time.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
mkdir -p "$packages"
if [ -n "$target" ]; then
    binary=$(packaging/compile.sh "$target")
else
    "$cargo" build --release --package ecs-lifecycle-agent
    binary=target/release/ecs-lifecycle-agent
    packaging/glibc.sh "$binary" || {
        echo "name a target, for a static binary: make packages TARGET=$(uname -m)-unknown-linux-musl" >&2
        exit 1
    }
fi
# Neither tool may strip the binary: it is stripped already, and they would use the strip of this machine.
"$cargo" deb --no-build --no-strip --quiet ${target:+--target "$target"} --output "$packages/"
# cargo generate-rpm gives this time only to files that are newer, so all of them are made newer.
find "$binary" "$dist" systemd packaging LICENSE CHANGELOG.md -type f -exec touch {} +
"$cargo" generate-rpm --source-date "$SOURCE_DATE_EPOCH" ${target:+--target "$target"} --output "$packages/"
stat --format "%s %n" "$packages"/*
