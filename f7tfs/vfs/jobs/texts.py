"""What the virtual files say of jobs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from f7tfs.cluster.model import JobFiles
from f7tfs.vfs.jobs.merge import iso
from f7tfs.vfs.jobs.record import Phase, Record
from f7tfs.vfs.zones import Zone

MOST_KNOWN = 50
HEAD = ("JOBID", "NAME", "STATE", "TIME", "EXIT", "NODES(REASON)", "WORKDIR")


def status(record: Record) -> str:
    """One line for `cut`: state, exit code, signal, seconds elapsed, nodes. `-` where not known."""
    job = record.job
    rest = (None,) * 4 if job is None else (job.exit_code, job.signal, job.elapsed, job.nodes)
    return "\t".join([record.state, *map(_field, rest)]) + "\n"


def _field(value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def info(record: Record, files: JobFiles | None, zone: Zone | None, seen: float | None) -> dict[str, Any]:
    """All that is known, for JSON. Times have a zone."""
    job = record.job
    told: dict[str, Any] = {
        "key": record.key,
        "job_id": record.key if job is not None else None,
        "name": record.called,
        "script_name": record.name if record.mark else None,
        "state": record.state,
        "finished": record.ended,
        "reason": record.problem or (job.reason if job else ""),
        "exit_code": job.exit_code if job else None,
        "signal": job.signal if job else None,
        "user": job.user if job else "",
        "account": job.account if job else "",
        "partition": job.partition if job else "",
        "nodes": job.nodes if job else "",
        "working_directory": record.directory,
        "submitted": iso(record.sent or (job.submitted if job else None), zone),
        "started": iso(job.started if job else None, zone),
        "ended": iso(job.ended if job else None, zone),
        "elapsed": job.elapsed if job else None,
        "limit": job.limit if job else None,
        "steps": [_step(step) for step in job.steps] if job else [],
        "seen": iso(seen, zone),
    }
    if files is not None:
        told |= {"stdout": files.stdout, "stderr": files.stderr}
    return told


def known(records: Iterable[Record], seen: float | None) -> list[dict[str, Any]]:
    """For the status of the mount: those that have not ended first, the mount's own before others, and not too many.

    `since`: when the state was seen to change; `seen`: when it was seen last. Epoch seconds.
    """
    first = sorted(records, key=lambda record: (record.ended, not record.mark, -record.changed))[:MOST_KNOWN]
    return [
        {
            "id": record.key if record.phase is Phase.SUBMITTED else None,
            "name": record.called,
            "state": record.state,
            "finished": record.ended,
            "since": record.changed,
            "seen": record.changed if seen is None or record.misses else max(record.changed, seen),
        }
        for record in first
    ]


def _step(step: Any) -> dict[str, Any]:
    return {
        "id": step.step_id,
        "name": step.name,
        "state": step.state.value,
        "exit_code": step.exit_code,
        "signal": step.signal,
    }


def to_json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def queue(records: Iterable[Record]) -> str:
    """A table like squeue's, all jobs that are to be seen."""
    rows = [HEAD, *map(row, records)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEAD))]
    return "".join(_line(line, widths) for line in rows)


def row(record: Record) -> tuple[str, ...]:
    """One line of the table."""
    job = record.job
    exit_code = "-" if job is None or job.exit_code is None else str(job.exit_code)
    if job is not None and job.signal:
        exit_code += f":{job.signal}"
    reason = record.problem or (job.reason if job else "")
    nodes = (job.nodes if job else "") or (f"({reason})" if reason else "-")
    elapsed = duration(job.elapsed if job else None)
    return (record.key, record.called or "-", record.state, elapsed, exit_code, nodes, record.directory)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
    return " ".join(cells).rstrip() + "\n"


def duration(seconds: float | None) -> str:
    """As squeue shows it: M:SS, H:MM:SS or D-HH:MM:SS."""
    if seconds is None:
        return "-"
    total = int(seconds)
    days, hours, minutes, rest = total // 86400, total // 3600 % 24, total // 60 % 60, total % 60
    if days:
        return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
