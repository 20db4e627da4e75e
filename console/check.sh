#!/bin/sh
# Types and unit tests of the console.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || sh ./npm.sh ci --no-audit --no-fund --silent
sh ./npm.sh run --silent check
sh ./npm.sh run --silent test
