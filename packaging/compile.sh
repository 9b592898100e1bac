#!/bin/bash
# Builds the binary as a release has it: the same bytes in whatever folder, and the list of its dependencies
# inside (cargo-auditable). Prints where it is.
#
#   compile.sh TARGET     e.g. aarch64-unknown-linux-gnu: for glibc 2.34; x86_64-unknown-linux-musl: static
#
# Wants the tools that `make release` installs.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
export PATH=$PWD/target/tools/bin:$PWD/target/zig/bin:$PATH
cargo=${CARGO:-cargo}
# Paths are in messages of panics, and in what C compilers write.
home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="--remap-path-prefix=$PWD=/source --remap-path-prefix=$home=/cargo ${RUSTFLAGS-}"
zig=$(realpath target/zig)
export CFLAGS="-ffile-prefix-map=$PWD=/source -ffile-prefix-map=$home=/cargo -ffile-prefix-map=$zig=/zig ${CFLAGS-}"
case $target in
*-gnu) version=.2.34 ;;
*) version= ;;
esac
"$cargo" auditable zigbuild --release --package ecs-lifecycle-agent --target "$target$version" >&2
echo "target/$target/release/ecs-lifecycle-agent"
