#!/usr/bin/env bash
# Runs the built tests that the arguments choose; when some fail, repeats their names and reasons at the end.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift test -c release --skip-build --disable-xctest "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
    echo
    echo "What failed (exit $status):"
    # The library marks a failure with a cross and puts what a person wrote about it in the lines after.
    grep -A 3 '^✘' "$log" | grep -E '^(✘|↳)' || tail -n 20 "$log"
fi
exit "$status"
