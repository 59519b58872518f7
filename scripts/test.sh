#!/bin/sh
# Everything that must pass before a change is taken: style, types, and all tests but the long ones.
set -eu
cd "$(dirname "$0")/.."
scripts/lint.sh
# On CI nothing may be skipped.
[ -z "${CI:-}" ] || set -- "$@" -p tests.no_skips
exec .venv/bin/python -m pytest "$@"
