#!/bin/sh
# Builds the console into ../api/static; skips the work when nothing has changed since the last build.
# `sh console/build.sh --force` builds anyway.
set -eu
cd "$(dirname "$0")"
out=../api/static
stamp=$out/.built-from

# Everything that decides what comes out: names and contents, in a fixed order.
sources() {
    find . \( -name node_modules -o -name tests \) -prune -o -type f -print | LC_ALL=C sort
}
if command -v sha256sum >/dev/null; then sum="sha256sum"; else sum="shasum -a 256"; fi
now=$(sources | while IFS= read -r file; do $sum "$file"; done | $sum | cut -d' ' -f1)
if [ "${1:-}" != --force ] && [ -f $out/index.html ] && [ "$(cat $stamp 2>/dev/null || true)" = "$now" ]; then
    exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
step() {
    echo "Console: $1"
    shift
    if ! sh ./npm.sh "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "Error: the console could not be built; what npm said is above." >&2
        exit 1
    fi
}
step "installing its packages (1 of 2)" ci --no-audit --no-fund
step "building (2 of 2)" run build
echo "$now" >$stamp
