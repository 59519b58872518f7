#!/bin/sh
# Everything that must pass before a change is taken: style, types, and all tests but the long ones.
set -eu
cd "$(dirname "$0")/.."
scripts/lint.sh
# On CI nothing may be skipped.
[ -z "${CI:-}" ] || set -- "$@" -p tests.no_skips
# Most tests wait for servers and for time: more files than there are cores run beside each other. They keep their order,
# in which the short ones come last: at the end nobody waits long for one worker.
exec .venv/bin/python -m pytest -n "${WORKERS:-4}" --dist loadfile --no-loadscope-reorder "$@"
