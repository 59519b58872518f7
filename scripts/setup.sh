#!/bin/sh
# Install what is missing on Debian 12 or Ubuntu 24.04, and the project into .venv: `setup.sh demo`, `setup.sh test`,
# or `setup.sh peers` for what scripts/bench_peers.py compares with besides.
# Nothing missing: nothing is done, and no network is needed. PYTHON chooses the interpreter; without it a virtual
# environment that is there is kept, and python3 makes a new one.
set -eu
cd "$(dirname "$0")/.."

what=${1:-test}
venv=.venv
python=${PYTHON:-}
if [ -z "$python" ]; then
    python=python3
    $venv/bin/python -c '' 2>/dev/null && python=$venv/bin/python
fi

. scripts/debian.sh

# Whether pyfuse3 can be built for this interpreter, and a virtual environment be made with it.
python_complete() {
    "$python" - <<'EOF' 2>/dev/null
import ensurepip, os, sys, sysconfig, venv
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
EOF
}

# Prints the Debian packages that complete the interpreter.
python_packages() {
    if path=$(command -v "$python"); then
        case $(readlink -f "$path") in
            /usr/bin/python3.*) name=$(basename "$(readlink -f "$path")"); printf ' %s' "$name-venv" "$name-dev" ;;
        esac
    elif [ "$python" = python3 ]; then
        printf ' %s' python3 python3-venv python3-dev
    fi
}

debian_packages() {
    wanted="fuse3 libfuse3-dev pkg-config gcc"
    [ "$what" = demo ] || wanted="$wanted rsync git vim nano less sudo fio jq hdf5-tools"
    [ "$what" = peers ] && wanted="$wanted sshfs rclone openssh-client"
    # shellcheck disable=SC2086  # a list of words
    missing=$(missing_of $wanted)
    python_complete || missing="$missing$(python_packages)"
    # shellcheck disable=SC2086  # a list of words
    install_packages $missing
    # Their services are not to be started: scripts and tests run their programs by themselves, and systemd's but to
    # verify a unit.
    # shellcheck disable=SC2046  # lists of words
    case $what in
        peers) install_without_services $(missing_of openssh-server) ;;
        test) install_without_services $(missing_of autofs systemd) ;;
    esac
}

check_python() {
    command -v "$python" >/dev/null || fail "there is no $python; choose another one as in: make $what PYTHON=python3.12"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail \
        "$("$python" --version) is too old: f7tfs needs 3.11 or newer; choose another one as in: make $what PYTHON=python3.12"
    python_complete || fail "$python cannot make a virtual environment, or has no headers (Python.h)"
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

virtual_environment() {
    version=$(version_of "$python")
    [ "$(version_of $venv/bin/python)" = "$version" ] && return
    say "making the virtual environment $venv with Python $version"
    rm -rf $venv
    "$python" -m venv $venv
}

# A stamp says what was installed, for which pyproject.toml and where: a clone that was moved is installed anew.
is_installed() { { pwd; cat pyproject.toml; } | cmp -s - "$venv/installed-$1"; }

install_project() {
    # Tests need everything that the demonstration does.
    if is_installed "$what" || is_installed test; then return; fi
    extra=test
    [ "$what" = demo ] && extra=sandbox
    say "installing f7tfs and its dependencies into $venv: a minute or two, longer on a busy machine"
    $venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$extra]"
    { pwd; cat pyproject.toml; } > "$venv/installed-$what"
}

case $what in demo | test | peers) ;; *) fail "usage: setup.sh demo|test|peers" ;; esac
debian_packages
[ "$what" != test ] || { scripts/setup-slurm.sh; scripts/setup-radosgw.sh install; }
check_python
virtual_environment
install_project
[ -e /dev/fuse ] || say "warning: /dev/fuse is missing; in a container: --device /dev/fuse --cap-add SYS_ADMIN"
