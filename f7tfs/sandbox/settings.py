"""What a sandbox is told, and what it tells of itself once it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MIB = 1024 * 1024
SchedulerKind = Literal["local", "slurm"]
TransferMethod = Literal["s3", "streamer"]


@dataclass(frozen=True, slots=True)
class FileSystemSetting:
    """One file system, as the API announces it."""

    path: str
    data_type: str = "users"
    default_work_dir: bool = False


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Everything that can be chosen about a sandbox. Times are seconds, sizes bytes.

    The defaults are those of the real servers, except where waiting would be all that they add: the time until a
    hanging command is given up (`stall_seconds`, really 5), the poll of the staging area (`ingest_poll_seconds`,
    really 60), the start of a job, and the part size of a multipart upload (really 1 GiB or more).
    """

    root: Path
    """The directory that holds `home/USER` and so on, shown to clients as `/home/USER`."""

    # -- where it listens ------------------------------------------------------------------------
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    client_id: str = "sandbox"
    client_secret: str = ""
    """Empty: random for each start. Tokens of one secret stay valid across restarts."""
    token_seconds: float = 300.0
    minimum_token_seconds: float = 30.0
    """v2 refuses a token with less than this left."""
    api_key: str = ""
    """Stands in `X-API-Key` for a token of the user's. Empty: there is none."""

    # -- the cluster -----------------------------------------------------------------------------
    system: str = "cluster"
    down_systems: tuple[str, ...] = ()
    """Further systems of the site, to which nothing can connect."""
    user: str = "user"
    uid: int = 4103
    group: str = "users"
    gid: int = 100
    more_groups: dict[int, str] = field(default_factory=dict)
    """gid -> name of further groups that the user belongs to."""
    more_users: dict[int, str] = field(default_factory=dict)
    """uid -> name of other users of the cluster."""
    accounts: tuple[str, ...] = ("users", "staff")
    require_account: bool = False
    """Whether the site's transfer jobs name `{account}`."""
    file_systems: tuple[FileSystemSetting, ...] = (
        FileSystemSetting("/home", default_work_dir=True),
        FileSystemSetting("/scratch", data_type="scratch"),
    )
    time_zone: str = "Europe/Zurich"
    """What `ls` shows its times in: an IANA name."""
    utf8_locale: bool = False
    """False, as with a bare sshd: `ls` shows non-ASCII names as octal escapes."""
    gateway: bool = False
    """v1 behind a gateway: an unusable reply is a 502 page instead of a broken connection."""

    # -- limits ----------------------------------------------------------------------------------
    max_ops_file_size: int = 5 * MIB
    command_seconds: float = 5.0
    """A command that really works is stopped after this."""
    stall_seconds: float = 1.0
    """A command that would hang for ever (an empty upload on v2, a FIFO) is answered after this."""
    max_form_size: int = 5120 * MIB
    """v1: what it announces as the largest file for object storage (`STORAGE_MAX_FILE_SIZE`); not enforced."""
    max_sessions: int = 10
    """v2: more commands than this at once are answered 424."""

    # -- staging and jobs ------------------------------------------------------------------------
    transfer_method: TransferMethod = "s3"
    """v2: how large files go. "streamer" is announced, and its jobs fail: that program is not here."""
    s3_port: int = 0
    object_store_url: str = ""
    """An S3 endpoint to stage through, instead of the sandbox's own: `http://HOST:PORT`."""
    object_store_key: str = ""
    """Its access key. Empty: `AWS_ACCESS_KEY_ID` of the environment."""
    object_store_secret: str = ""
    """Its secret key. Empty: `AWS_SECRET_ACCESS_KEY` of the environment."""
    url_seconds: int = 604800
    max_part_size: int = 64 * MIB
    ingest_poll_seconds: float = 0.5
    scheduler: SchedulerKind = "local"
    """"local" runs jobs as processes; "slurm" is a real Slurm of the sandbox's own, for which it must run as root."""
    job_start_seconds: float = 0.2
    """With the local scheduler."""
    partitions: tuple[str, ...] = ("part01", "xfer")
    max_job_seconds: float = 432000.0
    isolate_jobs: bool = True
    """Where the kernel allows it, jobs see the file systems at their own paths, in a mount namespace."""

    # -- the test bench --------------------------------------------------------------------------
    admin_token: str = ""
    """Guards `/sandbox/...`. Empty: random for each start."""

    @property
    def work_dir(self) -> str:
        """Where the user's transfer jobs run: its directory on the default file system."""
        base = next((f.path for f in self.file_systems if f.default_work_dir), self.file_systems[0].path)
        return f"{base}/{self.user}"


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """How to reach a running sandbox."""

    url_v2: str
    url_v1: str
    token_url: str
    client_id: str
    client_secret: str
    root: str
    system: str
    user: str
    home: str
    admin_url: str
    admin_token: str
    port: int
    s3_port: int

    def variables(self, api: str = "v2") -> dict[str, str]:
        """The environment in which a client finds it: pyFirecREST's names. `api`: "v1" or "v2"."""
        return {
            "FIRECREST_URL": self.url_v1 if api == "v1" else self.url_v2,
            "AUTH_TOKEN_URL": self.token_url,
            "FIRECREST_CLIENT_ID": self.client_id,
            "FIRECREST_CLIENT_SECRET": self.client_secret,
        }
