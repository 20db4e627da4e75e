#!/bin/sh
# Installs Debian packages that are missing, without starting their daemons: sh deploy/debian-packages.sh PACKAGE...
# Where it may not (not root, no apt-get) it prints one sentence on what to install, and exits 1.
set -eu

if [ $# -eq 0 ]; then
    echo "Error: no package named. Try: sh deploy/debian-packages.sh PACKAGE..." >&2
    exit 2
fi

missing=
for package in "$@"; do
    case $package in
    *[!a-z0-9.+-]* | -* | "")
        echo "Error: '$package' is not the name of a Debian package." >&2
        exit 2
        ;;
    esac
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Error: these Debian packages are missing and only root can install them, with apt-get:$missing" >&2
    exit 1
fi

# Packages ask this file before they start a daemon; 101 means "no". One that is there already is obeyed.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install_missing() {
    # Word splitting is meant: the names were checked above.
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 $missing >"$log" 2>&1
}
# The package lists may be absent or old; they are fetched only where the install fails without.
if ! install_missing; then
    if ! { apt-get update -q >"$log" 2>&1 && install_missing; }; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        echo "Error: apt-get could not install:$missing" >&2
        exit 1
    fi
fi
rm -f "$log"
