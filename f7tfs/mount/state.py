"""The state directory of a mount: its journal and its cached content, and the lock on them.

It belongs to what is mounted (site, system, user, remote directory), not to where: what could not be sent before an
unmount is sent at the next mount, wherever that is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from f7tfs.mount.lock import exclusive
from f7tfs.mount.runtime import private_directory


@dataclass(frozen=True, slots=True)
class Origin:
    """What a mount shows; two mounts of the same are one journal."""

    url: str
    system: str
    user: str
    root: str


def state_directory(base: Path, origin: Origin) -> Path:
    """The directory of an origin: a readable beginning, and a digest that tells apart what the beginning does not."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{origin.system.lower()}{origin.root}").strip("-")[:40]
    identity = "\0".join((origin.url.rstrip("/").lower(), origin.system.lower(), origin.user, origin.root))
    return base / "mounts" / f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


@contextmanager
def locked_state(base: Path, origin: Origin, mountpoint: Path) -> Iterator[Path]:
    """Make and lock the state directory of `origin`. Raises MountError while another daemon has it."""
    private_directory(base)
    directory = private_directory(state_directory(base, origin))
    taken = f"{origin.system}:{origin.root} is mounted already, or still being sent to, and has one journal"
    with exclusive(directory / "lock", mountpoint, taken):
        (directory / "origin.json").write_text(json.dumps(asdict(origin), indent=1) + "\n", encoding="utf-8")
        yield directory
