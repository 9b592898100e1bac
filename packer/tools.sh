#!/bin/bash
# Builds the current Packer and its amazon plugin from their Go modules, into target/tools/bin and
# target/packer/plugins. It does so only once, because it takes minutes.
#
# If this machine cannot build them, it exits with status 77 and prints the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
packer=1.15.4
plugin=1.8.2

skip() {
    echo "$*"
    exit 77
}

bin=$PWD/target/tools/bin
plugins=$PWD/target/packer/plugins
stamp=$plugins/.built
mkdir -p "$bin" "$plugins"
exec 9>"$plugins/.lock"
flock 9
[ "$(cat "$stamp" 2>/dev/null)" != "$packer $plugin" ] || exit 0
command -v go >/dev/null || skip "no Go to build Packer with"

export GOMODCACHE=$PWD/target/go/mod GOCACHE=$PWD/target/go/cache
export GOTOOLCHAIN=auto GOFLAGS="-modcacherw -buildvcs=false"

# `go install MODULE@VERSION` would need the list of all versions, which not every proxy serves.
build() {
    local directory
    directory=$(go mod download -json "$1@v$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || return 1
    [ -n "$directory" ] || return 1
    (cd "$directory" && go build -trimpath -ldflags "-s -w" -o "$bin/$(basename "$1")" .)
}
log=$plugins/.log
{ build github.com/hashicorp/packer "$packer" && build github.com/hashicorp/packer-plugin-amazon "$plugin"; } \
    >"$log" 2>&1 9>&- || skip "Packer cannot be built: $(tail -1 "$log")"
PACKER_PLUGIN_PATH=$plugins CHECKPOINT_DISABLE=1 "$bin/packer" plugins install \
    --path "$bin/packer-plugin-amazon" github.com/hashicorp/amazon >>"$log" 2>&1 9>&-
echo "$packer $plugin" >"$stamp"
rm -rf target/go
