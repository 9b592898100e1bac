#!/bin/bash
# Does the same commit give the same bytes? Makes the release twice, from clones in folders of different names,
# and compares. The first one's files stay in target/release-files.
#
#   reproducible.sh [ARCHITECTURE…]
set -euo pipefail
cd "$(dirname "$0")/.."

top=$PWD
commit=$(git rev-parse HEAD)
rm -rf target/reproducible
for folder in one a-folder/of-another/name; do
    tree=target/reproducible/$folder
    git clone --quiet --no-checkout "$top" "$tree"
    git -C "$tree" checkout --quiet --detach "$commit"
    mkdir -p "$tree/target"
    # The tools are not part of what is compared.
    ln -s "$top/target/tools" "$top/target/zig" "$tree/target/"
    # Another umask: it may not be seen in the result.
    (umask 027 && cd "$tree" && CARGO_TARGET_DIR=$top/target make docs && packaging/release.sh "$@") \
        >"$tree.log" 2>&1 || {
        tail -40 "$tree.log"
        exit 1
    }
    umask 022
done
one=target/reproducible/one/target/release-files
other=target/reproducible/a-folder/of-another/name/target/release-files
if ! diff "$one/SHA256SUMS" "$other/SHA256SUMS"; then
    echo "the two builds of $commit differ: $one, $other" >&2
    exit 1
fi
rm -rf target/release-files
cp -r "$one" target/release-files
echo "twice the same bytes:"
cat target/release-files/SHA256SUMS
