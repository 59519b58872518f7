"""What must be right on this machine: FUSE, the local disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from f7tfs.cli.checks.findings import Finding, failed, ok, warning
from f7tfs.cli.output import size
from f7tfs.config import MountOptions
from f7tfs.errors import UserError
from f7tfs.mount.mountpoint import require_fuse
from f7tfs.mount.runtime import private_directory

_ROOM = 2 * 2**30


def fuse(*, allow_other: bool) -> Iterator[Finding]:
    """The device, the helper of ordinary users, and what `allow_other` needs."""
    try:
        require_fuse(allow_other=allow_other)
    except UserError as error:
        yield failed("fuse", str(error), error.cure)
    else:
        yield ok("fuse", "/dev/fuse can be used" + (", and allow_other" if allow_other else ""))
    helper = shutil.which("fusermount3")
    if helper is None:
        yield warning("fusermount3", "not there; only root can mount", "Debian and Ubuntu: apt-get install fuse3")
    else:
        yield ok("fusermount3", helper)


def disk(base: Path, options: MountOptions) -> Finding:
    """Whether the journal and the cache have a place, and room."""
    try:
        private_directory(base)
        probe = base / f".doctor-{os.getpid()}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
        free = shutil.disk_usage(base).free
    except UserError as error:
        return failed("disk", str(error), error.cure)
    except OSError as error:
        return failed("disk", f"{base}: {error.strerror}", "make room there, or choose another place: --cache-dir")
    found, cure = f"{size(free)} free in {base}", "make room there, or choose another place: --cache-dir"
    room, reserve = free - options.cache_reserve, size(options.cache_reserve)
    if room <= 0:
        found += f", and {reserve} stay free (cache_reserve): writing is ENOSPC once no cached content can be dropped"
        return failed("disk", found, f"{cure}; or a smaller -o cache_reserve")
    found += f", of which {reserve} stay free (cache_reserve)"
    if room < _ROOM:
        return warning("disk", f"{found}; what is written waits there for the cluster", cure)
    if room < options.cache_size:
        found += f"; less than the cache may take ({size(options.cache_size)})"
    return ok("disk", found)
