"""The values that cross the cluster port. All of them are immutable and know nothing of HTTP."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Kind(enum.Enum):
    """What an entry of a directory is; the value is the letter that `ls -l` shows."""

    FILE = "-"
    DIRECTORY = "d"
    SYMLINK = "l"
    FIFO = "p"
    SOCKET = "s"
    BLOCK = "b"
    CHARACTER = "c"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a directory listing.

    `modified` is the raw text that the server gave: local time of the cluster, one-second resolution and no zone.
    In a recursive listing `name` is the path relative to the directory that was listed.
    `exact` is false where the name had to be decoded from octal escapes: confirm it by `stat` before changing it.
    """

    name: str
    kind: Kind
    mode: int
    """Permission bits only, 0o7777 at most."""
    user: str
    group: str
    size: int
    """Bytes. Of a symlink: the length of its target."""
    modified: str
    link_target: str = ""
    exact: bool = True
    acl: bool = False
    """The permissions ended in `+`: an access control list says more than the mode."""


@dataclass(frozen=True, slots=True)
class Stat:
    """The answer of `stat` (of the link itself, not of what it points to). Times are epoch seconds."""

    kind: Kind
    mode: int
    ino: int
    nlink: int
    uid: int
    gid: int
    size: int
    atime: int
    mtime: int
    ctime: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may carry, in bytes and seconds."""

    direct_read: int
    """The largest file that one direct download returns."""
    direct_write: int
    """The largest file that one direct upload accepts."""
    command_seconds: float = 5.0
    """After this the server stops a command it runs."""
    largest_write: int | None = None
    """The largest file that any upload brings; None: no bound is told."""


@dataclass(frozen=True, slots=True)
class Features:
    """Where the two API versions differ in what a single call can do."""

    cheap_rename: bool
    """Rename is one call (v1), not a scheduler job (v2)."""
    empty_write: bool
    """A file of zero bytes can be uploaded directly."""
    relative_symlink: bool
    """A symlink with a relative or dangling target can be made by one call."""
    pieces: bool = False
    """A job can join what was uploaded in pieces, where the site's own transfer jobs run."""
    compressed: bool = False
    """An archive can be extracted aside, and what was in it be put in its place, by a few calls."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the user is on the cluster."""

    user: str
    uid: int
    gid: int
    groups: dict[int, str] = field(default_factory=dict)
    """gid -> name of every group the user belongs to there, the primary one included."""
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One file system of a system, as the API announces it."""

    path: str
    default_work_dir: bool = False


@dataclass(frozen=True, slots=True)
class StagedObject:
    """A remote file's copy in object storage, readable by HTTP ranges until it expires."""

    path: str
    url: str = field(repr=False)
    """Presigned: a secret. Never logged."""
    size: int
    expires: float
    """Epoch seconds."""
    handle: str = ""
    """What the server calls the transfer (a task or job id), for cleaning up."""


class JobState(enum.Enum):
    """Slurm's job states by name; `UNKNOWN` where the server says something else."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    RUNNING = "RUNNING"
    COMPLETING = "COMPLETING"
    SUSPENDED = "SUSPENDED"
    REQUEUED = "REQUEUED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    BOOT_FAIL = "BOOT_FAIL"
    DEADLINE = "DEADLINE"
    REVOKED = "REVOKED"
    REQUEUE_FED = "REQUEUE_FED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    RESIZING = "RESIZING"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    SIGNALING = "SIGNALING"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    STAGE_OUT = "STAGE_OUT"
    STOPPED = "STOPPED"
    UNKNOWN = "UNKNOWN"

    @property
    def ended(self) -> bool:
        """Whether a job in this state will never run again."""
        return self in _ENDED

    @property
    def queued(self) -> bool:
        """Whether it waits for the scheduler."""
        return self in _QUEUED


_ENDED = frozenset(
    {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMEOUT,
        JobState.OUT_OF_MEMORY,
        JobState.NODE_FAIL,
        JobState.PREEMPTED,
        JobState.BOOT_FAIL,
        JobState.DEADLINE,
        JobState.REVOKED,
    }
)


_QUEUED = frozenset(
    {
        JobState.PENDING,
        JobState.CONFIGURING,
        JobState.REQUEUED,
        JobState.REQUEUE_FED,
        JobState.REQUEUE_HOLD,
        JobState.RESV_DEL_HOLD,
    }
)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A batch script to submit: its text, or where it lies on the cluster (one of the two)."""

    working_directory: str
    script: str | None = None
    script_path: str | None = None
    name: str | None = None
    account: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    mark: str = ""
    """Hexadecimal and unique: by it the job is found when the answer to its submission was lost."""


@dataclass(frozen=True, slots=True)
class JobStep:
    """A step of a job."""

    step_id: str
    name: str
    state: JobState
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What the scheduler says of one job. Times are epoch seconds, None where not known.

    `started_local` and `ended_local` are the raw texts of a server that tells local times without a zone.
    """

    job_id: str
    name: str
    state: JobState
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    user: str = ""
    account: str = ""
    partition: str = ""
    nodes: str = ""
    working_directory: str = ""
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    elapsed: float | None = None
    limit: float | None = None
    """Seconds that it may run."""
    steps: tuple[JobStep, ...] = ()
    started_local: str = ""
    ended_local: str = ""


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The files of a job on the cluster, and its script's text; empty where the server does not say."""

    script: str = ""
    stdout: str = ""
    stderr: str = ""
