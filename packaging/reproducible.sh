#!/bin/bash
# Checks that the same commit gives the same bytes: builds the release twice, from clones in folders with different
# names, and compares the files. Those of the first build stay in target/release-files.
#
#   reproducible.sh [ARCHITECTURE…]
set -euo pipefail
cd "$(dirname "$0")/.."

top=$PWD
commit=$(git rev-parse HEAD)
rm -rf target/reproducible
# A different umask must not change the result.
for build in 022:one 027:a-folder/of-another/name; do
    mask=${build%%:*} folder=${build#*:}
    tree=target/reproducible/$folder
    git clone --quiet --no-checkout "$top" "$tree"
    git -C "$tree" checkout --quiet --detach "$commit"
    mkdir -p "$tree/target"
    # The tools are not part of the comparison, so both builds share them.
    ln -s "$top/target/tools" "$top/target/zig" "$tree/target/"
    (umask "$mask" && cd "$tree" && CARGO_TARGET_DIR=$top/target make docs && packaging/release.sh "$@") \
        >"$tree.log" 2>&1 || {
        tail -40 "$tree.log"
        exit 1
    }
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
