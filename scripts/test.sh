#!/bin/sh
# Everything that must pass before a change is taken: style, types, and all tests but the long ones.
set -eu
cd "$(dirname "$0")/.."
scripts/lint.sh
exec .venv/bin/python -m pytest
