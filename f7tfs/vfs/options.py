"""What a mount can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WriteMode = Literal["auto", "async", "sync"]
STREAMS = 8
ANSWER_SHARE = 0.75
"""Of the deadline. What is journaled by then is no error."""


@dataclass(frozen=True, slots=True)
class VfsOptions:
    """Times are in seconds, sizes in bytes."""

    state_directory: Path
    """Of this mount alone: the journal and the content cache. Created 0700."""
    attribute_timeout: float = 5.0
    """How long a listing is believed."""
    deadline: float = 60.0
    """No operation takes longer, but one that waits for a staged transfer or a job. A rename and a `close` have
    several steps, each of which ends before."""
    staging_deadline: float = 1800.0
    """How long an operation takes that waits for a staged transfer or a job."""
    streams: int = STREAMS
    """So many ranges of staged files are fetched at once."""
    windows: bool = True
    """Whether parts of large text files are read without staging them."""
    append: bool = False
    """Whether only what was appended to a large file is sent, and a job on the cluster adds it."""
    write_mode: WriteMode = "auto"
    temporary_seconds: float = 2.0
    """How long a closed file with a temporary's name waits for its rename or removal."""
    zone: str | None = None
    """IANA name of the cluster's time zone; None: inferred."""
    read_only: bool = False
    jobs_name: str = ".jobs"
    """The name that the directories of jobs answer to; empty: there are none."""
    jobs_listed: bool = False
    """Every directory lists its `.jobs`."""
    jobs_cancel: bool = True
    """Removing a job's directory cancels it."""
    jobs_keep_scripts: bool = False
    """A script that was submitted stays a file, and does not become a link to its job's directory."""
    jobs_interval: float = 2.0
    """How long what was seen of jobs is believed at least."""
    jobs_workdir: str | None = None
    """Where jobs run, on the cluster; None: in the directory whose `.jobs` their script was dropped in."""
    job_environment: tuple[tuple[str, str], ...] = ()
    """(variable, value) that every job gets."""
    account: str | None = None
    """The account that jobs are submitted with; None: the script's own or the site's default."""
    cache_bytes: int = 20 * 2**30
    """How much clean content stays in the content cache."""
    reserved_bytes: int = 512 * 2**20
    """So much of the local disk is left free; writing into it is ENOSPC."""
    gather_seconds: float = 0.5
    """How long a removal waits for the next one, to be made together; 0: it does not."""
    bulk: bool = True
    """Whether whole subtrees are listed where programs walk, and small files that lie together travel together."""
    bursts: bool = True
    """Whether in mode `auto` the changes of a program that makes many go into the journal."""
    listed_entries: int = 500_000
    """How many directory entries the metadata cache holds."""

    @property
    def answer_seconds(self) -> float:
        """So long a caller waits for the cluster: it is answered before the deadline of its request."""
        return self.deadline * ANSWER_SHARE

    @property
    def gathers(self) -> bool:
        """Whether removals are gathered."""
        return self.bulk and self.gather_seconds > 0 and self.write_mode != "sync"
