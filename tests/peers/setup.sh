#!/bin/bash
# Fetches what the peers' tests run, below target/peers: AWS's own cfn-signal, and ministack.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${1:-python3}
directory=target/peers
bootstrap=1.4.post31

rm -rf "$directory"
"$python" -m venv "$directory"
"$directory/bin/python" -m pip install --quiet --requirement tests/peers/requirements.txt
# Only unpacked: it is a program for Python 2, which pip does not install any more.
"$directory/bin/python" -m pip download --quiet --no-deps --no-binary aws-cfn-bootstrap \
    --dest "$directory/download" "aws-cfn-bootstrap==$bootstrap"
mkdir "$directory/cfn-bootstrap"
tar -xzf "$directory"/download/aws-cfn-bootstrap-*.tar.gz -C "$directory/cfn-bootstrap" --strip-components 1
touch "$directory/ready"
