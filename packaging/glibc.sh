#!/bin/bash
# Fails if a binary needs a newer C library than Amazon Linux 2023 has.
#
#   glibc.sh BINARY…
set -euo pipefail
newest=2.34
status=0
for binary in "$@"; do
    # objdump can read the dynamic symbols of other architectures as well.
    symbols=$(objdump --private-headers "$binary" | grep --only-matching 'GLIBC_[0-9.]*' | sort --unique --version-sort)
    [ -n "$symbols" ] || { echo "$binary: no symbol of glibc: not a dynamic binary?" >&2; exit 1; }
    needs=$(tail -1 <<<"$symbols")
    needs=${needs#GLIBC_}
    if [ "$(printf '%s\n' "$needs" "$newest" | sort --version-sort | tail -1)" = "$newest" ]; then
        echo "$binary: needs glibc $needs"
    else
        echo "$binary: needs glibc $needs, and Amazon Linux 2023 has $newest:" >&2
        objdump --dynamic-syms "$binary" | grep --fixed-strings "GLIBC_$needs" >&2
        status=1
    fi
done
exit $status
