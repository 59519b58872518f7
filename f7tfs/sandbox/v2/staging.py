"""The jobs that carry a file between the cluster and the object store, with all that goes wrong in their scripts."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import IO

import trio

from f7tfs.sandbox.coreutils.failure import reason
from f7tfs.sandbox.jobs.model import JobOutput, Work
from f7tfs.sandbox.objectstore.client import Bounded
from f7tfs.sandbox.root import failed
from f7tfs.sandbox.site import Site

BLOCK = 1 << 20
FILE_NOT_FOUND = 34
UPLOAD_FAILED = 70
IS_DIRECTORY = 3
SHELL_CHARACTERS = frozenset(" \t\n;&|<>()$`\"'*?[#~\\")


# -- cluster to store ----------------------------------------------------------------------------


def download_work(site: Site, path: str, key: str) -> Work:
    """The job behind transfer/download: the object appears whole, or not at all."""

    async def work(output: JobOutput) -> int:
        if SHELL_CHARACTERS & set(path):  # the script does not quote its path
            output.err.append(f"file_not_found: {path}")
            return FILE_NOT_FOUND
        if site.faults.take("fail_transfers"):
            output.err.append("curl: (22) The requested URL returned error: 503")
            return UPLOAD_FAILED
        try:
            source, size = await trio.to_thread.run_sync(_open_source, site, path)
        except IsADirectoryError:
            return FILE_NOT_FOUND
        except FileNotFoundError:
            return FILE_NOT_FOUND
        except OSError as error:
            output.err.append(f"dd: failed to open '{path}': {reason(error)}")
            return UPLOAD_FAILED
        with source:
            if size == 0:
                return UPLOAD_FAILED
            if site.faults.take("wrong_content"):
                size //= 2
            await site.staging()
            await site.store.put(key, Bounded(source, size))  # type: ignore[arg-type]  # boto3 only reads
        output.out.append("Multipart file upload successfully completed")
        return 0

    return work


def _open_source(site: Site, path: str) -> tuple[IO[bytes], int]:
    """The opened file, and how much of it the script takes: by the size of a symlink, not of its target."""
    with site.root.locate(path) as place:
        info = place.require()
        link = place.is_link
    fd = site.root.open_read(path)
    real = os.fstat(fd)
    if not stat.S_ISREG(real.st_mode):
        os.close(fd)
        raise failed(errno.EISDIR)
    blocks = -(-info.st_size // BLOCK)
    return os.fdopen(fd, "rb"), min(real.st_size, blocks * BLOCK) if link else real.st_size


# -- store to cluster ----------------------------------------------------------------------------


async def wait_for_object(site: Site, key: str) -> None:
    """Look once at once, and then at every poll; nothing tells when it has come."""
    while True:
        if await site.store.exists(key):
            return
        await trio.sleep(site.settings.ingest_poll_seconds)


def upload_work(site: Site, path: str, key: str) -> Work:
    """The job behind transfer/upload: waits for the object, and then replaces the target by way of part files."""
    target = path.replace("$HOME", site.settings.work_dir)

    async def work(output: JobOutput) -> int:
        if await trio.to_thread.run_sync(_is_directory, site, target):
            return IS_DIRECTORY
        await wait_for_object(site, key)
        await site.staging()
        if site.faults.take("fail_transfers"):
            output.err.append("curl: (22) The requested URL returned error: 503")
        else:
            await _ingest(site, target, key, output)
        output.out.append("File was successfully downloaded")
        return 0

    return work


def _is_directory(site: Site, path: str) -> bool:
    try:
        with site.root.locate(path, follow=True) as place:
            return place.is_dir
    except OSError:
        return False


async def _ingest(site: Site, target: str, key: str, output: JobOutput) -> None:
    size = await site.store.size(key)
    part = site.settings.max_part_size
    wanted = size // 2 if site.faults.take("wrong_content") else size
    names: list[str] = []
    for number, start in enumerate(range(0, wanted, part), 1):
        name = f"{target}.{number}"
        try:
            fd = await trio.to_thread.run_sync(site.root.open_write, name)
        except OSError as error:
            output.err.append(f"curl: (23) Failure writing output to destination: {name}: {reason(error)}")
            continue
        names.append(name)
        with os.fdopen(fd, "wb") as file:
            await site.store.get(key, _metered(site, file, output), start, min(wanted, start + part))
    await trio.to_thread.run_sync(_join, site, target, names, output)
    await site.store.delete(key)


class _Metered:
    """A file that is written as far as the quota goes."""

    def __init__(self, site: Site, file: IO[bytes], complain: Callable[[str], None]) -> None:
        self._site = site
        self._file = file
        self._complain = complain

    def write(self, data: bytes) -> int:
        granted = self._site.quota.take(len(data))
        self._file.write(data[:granted])
        if granted < len(data):
            self._complain(f"curl: (23) Failure writing output to destination: {reason(self._site.quota.code)}")
        return len(data)


def _metered(site: Site, file: IO[bytes], output: JobOutput) -> IO[bytes]:
    return _Metered(site, file, output.err.append)  # type: ignore[return-value]  # only written to


def _join(site: Site, target: str, names: list[str], output: JobOutput) -> None:
    """`rm target`, then `cat part >> target` and `rm part` for each: mode and links are lost."""
    _remove(site, target)
    for name in names:
        try:
            _append(site, name, target)
        except OSError as error:
            output.err.append(f"cat: {target}: {reason(error)}")
        _remove(site, name)


def _append(site: Site, name: str, target: str) -> None:
    reader = site.root.open_read(name)
    try:
        with site.root.locate(target) as place:
            if not place.exists:
                site.root.require_change(place)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            writer = os.open(place.name, flags, 0o666, dir_fd=place.parent)
        try:
            while chunk := os.read(reader, BLOCK):
                os.write(writer, chunk)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _remove(site: Site, path: str) -> None:
    with contextlib.suppress(OSError), site.root.locate(path) as place:
        site.root.require_removal(place)
        os.unlink(place.name, dir_fd=place.parent)
