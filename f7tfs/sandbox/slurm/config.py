"""slurm.conf of a cluster of one node on this machine: a pure function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KEEP_SECONDS = 7 * 86400
"""How long slurmctld remembers a job that has ended. There is no accounting data base: scontrol's memory is it."""
CPUS = 64
"""What the node claims to have, so that small jobs do not wait for each other on a small machine."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of this machine."""

    controller: int
    node: int


def slurm_conf(
    directory: Path, ports: Ports, *, cluster: str, partitions: Sequence[str], max_seconds: float, first_job: int
) -> str:
    """The text of slurm.conf; everything that the daemons write lies below `directory`."""
    lines = [
        f"ClusterName={cluster}",
        "SlurmctldHost=localhost(127.0.0.1)",
        f"SlurmctldPort={ports.controller}",
        f"SlurmdPort={ports.node}",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={directory}/munge.socket",
        f"StateSaveLocation={directory}/state",
        f"SlurmdSpoolDir={directory}/spool",
        f"SlurmctldPidFile={directory}/slurmctld.pid",
        f"SlurmdPidFile={directory}/slurmd.pid",
        f"SlurmctldLogFile={directory}/slurmctld.log",
        f"SlurmdLogFile={directory}/slurmd.log",
        "ProctrackType=proctrack/pgid",
        "TaskPlugin=task/none",
        "MpiDefault=none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU",
        "SchedulerType=sched/builtin",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1",
        "SlurmdParameters=config_overrides",
        "ReturnToService=2",
        f"MinJobAge={KEEP_SECONDS}",
        "MaxJobCount=100000",
        "KillWait=2",
        "InactiveLimit=0",
        "MailProg=/bin/true",
        f"FirstJobId={first_job}",
        f"NodeName=localhost NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory=1024 State=UNKNOWN",
    ]
    minutes = math.ceil(max_seconds / 60)
    lines += [
        f"PartitionName={name} Nodes=localhost MaxTime={minutes} State=UP Default={'NO' if place else 'YES'}"
        for place, name in enumerate(partitions)
    ]
    return "\n".join(lines) + "\n"
