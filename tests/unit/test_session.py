"""The life of a mount, with doubles for the file system and for FUSE: who ends it, and what is told."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from f7tfs.cluster.errors import NotFound
from f7tfs.mount import session as module
from f7tfs.mount.ask import NoDaemon, ask, is_listening
from f7tfs.mount.errors import MountError
from f7tfs.mount.session import Session, paths_to_refresh
from f7tfs.vfs.errands import Errands


class Double:
    """A file system with `changes` to send, each sent when `send` is called."""

    errands: Errands

    def __init__(self, changes: int = 0) -> None:
        self.changes = changes
        self.refreshed: list[str | None] = []
        self.draining = trio.Event()
        self._sent = trio.Event()

    def send(self) -> None:
        self.changes = 0
        self._sent.set()

    def status(self) -> dict[str, object]:
        return {"changes_left": self.changes}

    async def drain(self, progress: Callable[[int, int], None]) -> int:
        self.draining.set()
        progress(self.changes, 10 * self.changes)
        if self.changes:
            await self._sent.wait()
        return self.changes

    async def refresh(self, path: str | None) -> None:
        self.refreshed.append(path)

    def journal_entries(self) -> list[dict[str, object]]:
        return [{"id": 7}]

    async def journal_retry(self) -> int:
        return self.changes

    async def journal_export(self, row: int, target: str) -> None:
        raise FileExistsError(f"{target} for {row}")

    async def journal_drop(self, row: int) -> None:
        raise NotFound(f"no change {row}")


class Running:
    """A session under test."""

    def __init__(self, filesystem: Double, socket: Path) -> None:
        self.filesystem = filesystem
        self.socket = socket
        self.unmounted_outside = trio.Event()
        self.left: int | None = None
        self.ended = trio.Event()

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await self.unmounted_outside.wait()

    async def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        return await trio.to_thread.run_sync(partial(ask, self.socket, command, timeout=10, **arguments))  # type: ignore[arg-type]


@asynccontextmanager
async def running(socket: Path, filesystem: Double, drain_seconds: float = 60) -> AsyncIterator[Running]:
    made = Running(filesystem, socket)
    session = Session(
        filesystem,
        made.serve,
        mountpoint=socket.parent / "mnt",
        control_socket=socket,
        drain_seconds=drain_seconds,
        root="/scratch/me",
        about={"pid": os.getpid(), "state_directory": "/state"},
    )
    ready = trio.Event()

    async def run() -> None:
        made.left = await session.run(ready.set)
        made.ended.set()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await ready.wait()
            yield made
            made.unmounted_outside.set()
            filesystem.send()
            await made.ended.wait()
    assert not is_listening(socket)


def run(test: Callable[[], Awaitable[None]]) -> None:
    trio.run(test)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "control"


def test_status_tells_of_the_mount_and_of_the_file_system(socket: Path) -> None:
    async def test() -> None:
        async with running(socket, Double(3)) as session:
            assert stat.S_IMODE((await trio.Path(socket).stat()).st_mode) == 0o600
            assert is_listening(socket)
            answer = await session.ask("status")
            assert answer.pop("now") > 0
            assert answer == {"pid": os.getpid(), "state_directory": "/state", "mounted": True, "changes_left": 3}
        assert not is_listening(socket)
        with pytest.raises(NoDaemon):
            ask(socket, "status", timeout=1)

    run(test)


def test_an_unmount_from_outside_is_followed_by_a_drain(socket: Path) -> None:
    async def test() -> None:
        async with running(socket, Double(2)) as session:
            session.unmounted_outside.set()
            await session.filesystem.draining.wait()
            assert (await session.ask("status"))["mounted"] is False
            session.filesystem.send()
            await session.ended.wait()
            assert session.left == 0

    run(test)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_and_then_unmounts(socket: Path, number: signal.Signals) -> None:
    async def test() -> None:
        async with running(socket, Double(2)) as session:
            os.kill(os.getpid(), number)
            await session.filesystem.draining.wait()
            assert (await session.ask("status"))["mounted"] is True
            session.filesystem.send()
            await session.ended.wait()
            assert session.left == 0

    run(test)


def test_a_second_signal_does_not_wait_and_tells_what_is_left(socket: Path) -> None:
    async def test() -> None:
        async with running(socket, Double(2)) as session:
            os.kill(os.getpid(), signal.SIGTERM)
            await session.filesystem.draining.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await session.ended.wait()
            assert session.left == 2

    run(test)


def test_a_drain_has_an_end(socket: Path) -> None:
    async def test() -> None:
        async with running(socket, Double(2), drain_seconds=0.05) as session:
            session.unmounted_outside.set()
            await session.ended.wait()
            assert session.left == 2

    run(test)


def test_umount_ends_where_a_mount_namespace_has_a_copy_of_the_mount(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the kernel does not hang up."""

    async def test() -> None:
        async with running(socket, Double()) as session:
            monkeypatch.setattr(module, "unmount", lambda *_, **__: None)
            monkeypatch.setattr(module, "_LETTING_GO_SECONDS", 0.1)
            assert (await session.ask("unmount"))["left"] == 0
            assert not session.unmounted_outside.is_set()
            await session.ended.wait()

    run(test)


def test_umount_drains_with_progress_then_unmounts(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unmounts: list[bool] = []
    told: list[tuple[int, int]] = []

    async def test() -> None:
        async with running(socket, Double(2)) as session:

            def unmount(mountpoint: Path, *, lazy: bool) -> None:
                assert session.filesystem.changes == 0
                unmounts.append(lazy)
                trio.from_thread.run_sync(session.unmounted_outside.set)

            monkeypatch.setattr(module, "unmount", unmount)

            def progress(changes: int, size: int) -> None:
                told.append((changes, size))
                trio.from_thread.run_sync(session.filesystem.send)

            answer = await session.ask("unmount", progress=progress)
            assert (answer["left"], unmounts, told[0]) == (0, [False], (2, 20))
            await session.ended.wait()

    run(test)


def test_the_time_that_umount_waits_is_that_of_the_last_drain_too(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with running(socket, Double(2)) as session:

            def unmount(mountpoint: Path, *, lazy: bool) -> None:
                trio.from_thread.run_sync(session.unmounted_outside.set)
                # The session is in its last drain when this returns.
                trio.from_thread.run(trio.testing.wait_all_tasks_blocked)

            monkeypatch.setattr(module, "unmount", unmount)
            answer = await session.ask("unmount", seconds=0.05)
            assert answer["left"] == 2
            await session.ended.wait()

    run(test)


def test_a_lazy_umount_does_not_wait(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with running(socket, Double(2)) as session:

            def unmount(mountpoint: Path, *, lazy: bool) -> None:
                assert lazy
                trio.from_thread.run_sync(session.unmounted_outside.set)

            monkeypatch.setattr(module, "unmount", unmount)
            answer = await session.ask("unmount", lazy=True)
            assert answer["left"] == 2
            assert not session.ended.is_set()
            session.filesystem.send()
            await session.ended.wait()

    run(test)


def test_a_busy_mount_stays(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(mountpoint: Path, *, lazy: bool) -> None:
        raise MountError(f"{mountpoint} is busy")

    async def test() -> None:
        async with running(socket, Double()) as session:
            monkeypatch.setattr(module, "unmount", busy)
            with pytest.raises(MountError, match="mnt is busy"):
                await session.ask("unmount")
            assert (await session.ask("status"))["mounted"] is True

    run(test)


def test_who_hangs_up_while_waiting_leaves_the_mount_as_it_is(socket: Path) -> None:
    async def test() -> None:
        async with running(socket, Double(2)) as session:
            stream = await trio.open_unix_socket(socket)
            await stream.send_all(b'{"command": "unmount"}\n')
            await session.filesystem.draining.wait()
            await stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
            session.filesystem.send()
            await trio.testing.wait_all_tasks_blocked()
            assert (await session.ask("status"))["mounted"] is True

    run(test)


def test_refresh_names_the_path_on_the_cluster(socket: Path) -> None:
    async def test() -> None:
        async with running(socket, Double()) as session:
            await session.ask("refresh", path="/a/b")
            assert session.filesystem.refreshed == ["/scratch/me/a/b", "/scratch/me/a"]

    run(test)


@pytest.mark.parametrize(
    ("root", "inside", "wanted"),
    [("/s", "/a", ["/s/a", "/s"]), ("/", "/home", ["/home", "/"]), ("/s", "/", [None]), ("/s", None, [None])],
)
def test_what_a_refresh_is_of(root: str, inside: str | None, wanted: list[str | None]) -> None:
    assert paths_to_refresh(root, inside) == wanted


@pytest.mark.parametrize(
    "request_line", [b"\n", b"{}\n", b"not json\n", b'{"command": "nosuch"}\n', b"[]\n", b"\xff\n"]
)
def test_a_request_that_is_none_is_answered(socket: Path, request_line: bytes) -> None:
    async def test() -> None:
        async with running(socket, Double()) as session:
            async with await trio.open_unix_socket(socket) as stream:
                await stream.send_all(request_line)
                assert b"no such request" in await stream.receive_some(1000)
            assert (await session.ask("status"))["mounted"] is True

    run(test)


def test_a_defect_in_a_command_does_not_end_the_mount(socket: Path) -> None:
    async def test() -> None:
        async with running(socket, Double()) as session:
            session.filesystem.refresh = _fail  # type: ignore[method-assign]
            with pytest.raises(MountError, match="RuntimeError: a defect"):
                await session.ask("refresh", path="/x")
            assert (await session.ask("status"))["mounted"] is True

    run(test)


async def _fail(path: str | None) -> None:
    raise RuntimeError("a defect")


def test_the_journal_is_asked_through_the_control_socket(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path / "s", Double(2)) as session:
            assert (await session.ask("journal", action="list"))["entries"] == [{"id": 7}]
            assert await session.ask("journal", action="retry") == {"retried": 2}
            with pytest.raises(MountError, match="no change 3"):
                await session.ask("journal", action="drop", id=3)
            with pytest.raises(MountError, match="/out for 3"):
                await session.ask("journal", action="export", id=3, file="/out")
            session.filesystem.send()
            session.unmounted_outside.set()

    trio.run(check)
