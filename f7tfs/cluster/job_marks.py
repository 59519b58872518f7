"""The mark of a submission: a comment in the script, by which its job is found when an answer was lost. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from f7tfs.cluster.model import Job, JobRequest

_PREFIX = "# f7tfs submission "
_MARK_LINE = re.compile(rf"^{_PREFIX}[0-9a-f]+\n?\Z", re.MULTILINE)
_NAMED = re.compile(r"^#SBATCH\s+(?:.*\s)?(?:--job-name\b|-J)", re.MULTILINE)
# What the accounting says of a job that it has not heard all of yet.
PLACEHOLDERS = frozenset({"", "allocation"})
_CLOCK_SKEW = 300.0


def marked(script: str, mark: str) -> str:
    """`script` with the mark as its last line, where it shifts no line numbers and cuts no header in two."""
    if not mark:
        return script
    return f"{script}{'' if script.endswith(chr(10)) else chr(10)}{_PREFIX}{mark}\n"


def has_mark(script: str, mark: str) -> bool:
    """Whether `script` was submitted with that mark."""
    return bool(mark) and f"{_PREFIX}{mark}" in script


def unmarked(script: str) -> str:
    """The script as the user wrote it."""
    return _MARK_LINE.sub("", script)


def names_itself(script: str) -> bool:
    """Whether a directive of the script's own sets the job's name."""
    return _NAMED.search(script) is not None


def may_be_of(job: Job, request: JobRequest, since: float) -> bool:
    """Whether a job in a listing may be the one that `request` made at the time `since` or later.

    The accounting lags by seconds and knows neither name nor directory at first.
    """
    named = request.name is None or names_itself(request.script or "")
    return (
        (named or job.name in PLACEHOLDERS or job.name == request.name)
        and job.working_directory in ("", request.working_directory)
        and (job.started is None or job.started > since - _CLOCK_SKEW)
    )


def is_newer(job_id: str, known: Collection[str]) -> bool:
    """Whether a job has come after all that are known: the scheduler counts up."""
    return _number(job_id) > max(map(_number, known), default=0)


def _number(job_id: str) -> int:
    digits = re.match(r"\d+", job_id)
    return int(digits.group()) if digits else 0
