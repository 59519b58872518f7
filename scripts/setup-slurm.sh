#!/bin/sh
# Install what `f7tfs sandbox --scheduler slurm` runs: Debian's Slurm and munge, on this one machine, without a data base.
# Nothing is configured or started here: each such sandbox writes a configuration of its own and starts its own daemons,
# on free ports, and they end with it. A second run does nothing.
set -eu
cd "$(dirname "$0")/.."
. scripts/debian.sh

missing=$(missing_of slurmctld slurmd slurm-client munge)
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || install_without_services $missing
for program in munged slurmctld slurmd sbatch; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || fail "there is no $program"
done
