"""What v2's list of systems says of one of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from f7tfs.cluster.errors import AccountRequired, NoSuchSystem, Unsupported
from f7tfs.cluster.model import FileSystem, Limits
from f7tfs.cluster.parsing import direct_read_of, file_systems_of_v2

_DEFAULT_OPS_SIZE = 5 * 2**20
_DEFAULT_SECONDS = 5.0
_DEFAULT_TTL = 3600.0
S3 = "s3"


@dataclass(frozen=True, slots=True)
class SiteV2:
    """One system: its name as the server spells it, limits and file systems."""

    name: str
    limits: Limits
    file_systems: tuple[FileSystem, ...]
    url_seconds: float
    """How long a presigned URL lives."""
    needs_account: bool
    """Whether transfer jobs need an account."""
    directives: tuple[str, ...] = ()
    """What the site puts at the head of its transfer jobs; `{account}` stands for the account."""
    method: str = S3
    """How large files go; another way than `S3` cannot be used."""

    def check_method(self, path: str) -> None:
        """Raises Unsupported where a large file cannot be moved."""
        if self.method != S3:
            raise Unsupported(
                f"{path}: {self.name} moves large files by {self.method} only, not by object storage (S3)"
            )

    def directives_for(self, account: str | None) -> list[str]:
        """The same for an account. Raises AccountRequired where one is needed and there is none."""
        if self.needs_account and not account:
            raise AccountRequired(
                "this site's transfer jobs need an account: give --account or set FIRECREST_ACCOUNT"
            )
        return [line.replace("{account}", account or "") for line in self.directives]


def site_of(item: Mapping[str, Any]) -> SiteV2:
    """From one member of `systems`. `dataOperation` holds snake_case inside camelCase; older servers lack it."""
    operation = item.get("dataOperation") or {}
    size = int(operation.get("max_ops_file_size") or operation.get("maxOpsFileSize") or _DEFAULT_OPS_SIZE)
    transfer = operation.get("data_transfer") or {}
    timeouts = (item.get("ssh") or {}).get("timeout") or {}
    directives = operation.get("datatransfer_jobs_directives") or []
    return SiteV2(
        name=str(item["name"]),
        limits=Limits(
            direct_read=direct_read_of(size),
            direct_write=size,
            command_seconds=float(timeouts.get("commandExecution") or _DEFAULT_SECONDS),
        ),
        file_systems=tuple(file_systems_of_v2(item.get("fileSystems") or [])),
        url_seconds=float(transfer.get("ttl") or _DEFAULT_TTL),
        needs_account=any("{account}" in str(line) for line in directives),
        directives=tuple(str(line) for line in directives),
        method=_method(operation),
    )


def _method(operation: Mapping[str, Any]) -> str:
    """A site that has none says so by a null; older servers do not tell."""
    transfer = operation.get("data_transfer", {})
    return "nothing" if transfer is None else str(transfer.get("serviceType") or S3)


def find_system(items: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The system of that name, in any case of letters. Raises NoSuchSystem, naming those that there are."""
    for item in items:
        if str(item.get("name", "")).lower() == name.lower():
            return item
    raise unknown_system(name, [str(item.get("name", "")) for item in items])


def unknown_system(name: str, known: Sequence[str]) -> NoSuchSystem:
    """The error for a system that the site does not have."""
    return NoSuchSystem(f"no system {name!r} at this site; it has: {', '.join(sorted(known)) or 'none'}")
