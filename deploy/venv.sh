#!/bin/sh
# Makes .venv and installs the locked dependencies and our own packages into it.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Error: $python is not Python 3.11 or newer." >&2
    echo "Try: install Python 3.11 (Debian 12 has it), or run make with PYTHON=/path/to/python3.11" >&2
    exit 2
fi

# Debian keeps what venv needs in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if ! sh deploy/debian-packages.sh python3-venv; then
        echo "Error: this Python cannot make virtual environments." >&2
        echo "Try: sudo apt-get install python3-venv" >&2
        exit 2
    fi
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
total=$(grep -c '==' requirements.lock)
log=.venv/pip.log
.venv/bin/python -m pip install --disable-pip-version-check --progress-bar off \
    --require-hashes -r requirements.lock >"$log" 2>&1 &
pip=$!
echo "Installing $total pinned packages into .venv"
while kill -0 "$pip" 2>/dev/null; do
    if [ -t 1 ]; then
        seen=$(grep -c -e '^Collecting' -e '^Requirement already' "$log" || true)
        done_=$((seen * 30 / total))
        printf '\r  [%-30s] %s of %s' "$(printf '%*s' "$done_" '' | tr ' ' '#')" "$seen" "$total"
    fi
    sleep 0.5
done
[ ! -t 1 ] || printf '\n'
wait "$pip" || {
    tail -5 "$log" >&2
    echo "Error: the packages could not be installed." >&2
    echo "Try: check the network and the disk; $log has the whole story" >&2
    exit 2
}
.venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e . -e firmware-sim
