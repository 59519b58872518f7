#!/bin/sh
# Everything that must pass before a change is taken: style, types, and all tests but the long ones.
set -eu
cd "$(dirname "$0")/.."
scripts/lint.sh
# On CI nothing may be skipped.
[ -z "${CI:-}" ] || set -- "$@" -p tests.no_skips
# Most tests wait for servers and for the kernel: files of tests run beside each other, in their order, in which the
# short ones come last: at the end nobody waits long for one worker.
exec .venv/bin/python -m pytest -n "${WORKERS:-3}" --dist loadfile --no-loadscope-reorder "$@"
