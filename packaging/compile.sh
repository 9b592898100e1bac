#!/bin/bash
# Builds the static binary of a release: the same bytes in any folder, and with the list of its dependencies inside
# (cargo-auditable). Prints its path.
#
#   compile.sh TARGET     such as aarch64-unknown-linux-musl
#
# It needs the tools that `make release` installs.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
export PATH=$PWD/target/tools/bin:$PWD/target/zig/bin:$PATH
cargo=${CARGO:-cargo}
# Panic messages and the output of C compilers contain paths, which must not depend on the folder.
home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="--remap-path-prefix=$PWD=/source --remap-path-prefix=$home=/cargo ${RUSTFLAGS-}"
# Its address is chosen at each start, as that of a dynamic binary is.
RUSTFLAGS+=" -C relocation-model=pie -C link-arg=-pie"
zig=$(realpath target/zig)
export CFLAGS="-ffile-prefix-map=$PWD=/source -ffile-prefix-map=$home=/cargo -ffile-prefix-map=$zig=/zig ${CFLAGS-}"
"$cargo" auditable zigbuild --release --package ecs-lifecycle-agent --target "$target" >&2
echo "target/$target/release/ecs-lifecycle-agent"
