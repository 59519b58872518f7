# Shell functions for Debian packages; to be sourced.

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "not root, and there is no sudo; as root: $*"
    fi
}

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

# Prints the packages of the given ones that are not installed.
missing_of() {
    for package in "$@"; do
        installed "$package" || printf ' %s' "$package"
    done
}

# Installs packages; nothing is done, and no network is needed, when there are none.
install_packages() {
    [ $# -gt 0 ] || return 0
    say "installing the Debian packages $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The packages' own services need not start: they have no configuration.
install_without_services() {
    [ $# -gt 0 ] || return 0
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'as_root rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    install_packages "$@"
}
