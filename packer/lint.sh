#!/bin/bash
# Checks the template and every script of the packages and the image: packer fmt, packer validate, shellcheck.
#
# If the tools are missing, it exits with status 77 and prints the reason.
set -euo pipefail
cd "$(dirname "$0")/.."

why=$(packer/tools.sh) || { echo "$why"; exit 77; }
if ! command -v shellcheck >/dev/null; then
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update &&
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends shellcheck; } \
        >/dev/null 2>&1 || { echo "no shellcheck"; exit 77; }
fi

shellcheck packaging/*.sh packaging/deb/* packer/*.sh packer/provision/*.sh packer/files/first-boot
shellcheck --exclude=SC1091,SC2015 tests/systemd/*.sh
shellcheck --shell=sh packaging/rpm/*

# The template copies this directory, and Packer validates only what exists.
mkdir -p target/packages
export PACKER_PLUGIN_PATH=$PWD/target/packer/plugins CHECKPOINT_DISABLE=1
target/tools/bin/packer fmt -check -diff packer
target/tools/bin/packer validate packer
