"""Mounts the file system and serves the kernel's requests until it is unmounted."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyfuse3
import trio

from f7tfs.fuse.attributes import Owners
from f7tfs.fuse.links import Links
from f7tfs.fuse.operations import Operations
from f7tfs.fuse.watchdog import fuse_descriptor
from f7tfs.vfs.filesystem import Filesystem
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.nodes import Directory

logger = logging.getLogger(__name__)

# Handlers that wait for the cluster must not keep others from the kernel's queue; the client bounds the calls.
MOST_TASKS = 1000


@dataclass(frozen=True, slots=True)
class FuseOptions:
    """As mount(8) knows them."""

    fsname: str
    allow_other: bool = False
    read_only: bool = False
    noexec: bool = False
    noatime: bool = False
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None
    map_links: bool = False
    default_permissions: bool = False
    debug: bool = False


def mount_options(options: FuseOptions) -> set[str]:
    """For libfuse. Without `allow_other` only the mounting user gets in, and the cluster decides."""
    flags = {f"fsname={_escaped(options.fsname)}", "subtype=f7tfs"}
    if options.allow_other:
        flags.add("allow_other")
    if options.allow_other or options.default_permissions:
        flags.add("default_permissions")
    kernel = {"ro": options.read_only, "noexec": options.noexec, "noatime": options.noatime}
    return flags | {flag for flag, wanted in kernel.items() if wanted}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,")


async def serve(
    filesystem: Filesystem,
    mountpoint: Path,
    options: FuseOptions,
    beside: Callable[[], None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Returns when it was unmounted from outside; unmounts by itself when it is cancelled.

    `beside` is called in a thread, and may use the mount.
    Raises RuntimeError where libfuse cannot mount.
    """
    owners = Owners(filesystem.metadata.identity, options.uid, options.gid, options.umask)
    place = os.path.abspath(mountpoint)  # noqa: ASYNC240, PTH100 -- no resolving: it asks no disk
    filesystem.files.mountpoint = place
    links = Links(filesystem.metadata.tree.root.path, place) if options.map_links else None
    operations = Operations(filesystem, owners, links)
    filesystem.jobs.mountpoint = filesystem.files.mountpoint
    pyfuse3.init(operations, str(mountpoint), mount_options(options))
    logging.getLogger("pyfuse3").addFilter(_expected)
    filesystem.upkeep.on_stale_entry = _invalidate_entry
    filesystem.upkeep.on_stale_attributes = _invalidate_attributes
    operations.watchdog.connection = fuse_descriptor()
    unmounted = False
    try:
        async with trio.open_nursery() as nursery:
            go_on(nursery, operations.watchdog.run)
            nursery.start_soon(_main, nursery.cancel_scope)
            go_on(nursery, partial(trio.to_thread.run_sync, beside, abandon_on_cancel=True))
            task_status.started()
        unmounted = True
    finally:
        pyfuse3.close(unmount=not unmounted)


def _invalidate_entry(parent: Directory, name: str) -> None:
    # Sent by a thread of pyfuse3's own: within a handler it could deadlock.
    pyfuse3.invalidate_entry_async(
        pyfuse3.InodeT(parent.number), pyfuse3.FileNameT(os.fsencode(name)), ignore_enoent=True
    )


def _invalidate_attributes(directory: Directory) -> None:
    # Of the attributes alone: that waits for nothing, so it needs no thread.
    with suppress(OSError):  # the kernel has forgotten it meanwhile
        pyfuse3.invalidate_inode(pyfuse3.InodeT(directory.number), attr_only=True)


def _expected(record: logging.LogRecord) -> bool:
    """The kernel has given up a request whose answer comes late: who waited was killed. No reason to complain."""
    return "fuse_reply_* failed with No such file" not in record.getMessage()


async def _main(serving: trio.CancelScope) -> None:
    await pyfuse3.main(max_tasks=MOST_TASKS)
    serving.cancel()
