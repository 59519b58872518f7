"""Each capability of the v1 client, by pyFirecREST's names, against the sandbox."""

from __future__ import annotations

import io
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import f7tfs.firecrest as f7t
from f7tfs.firecrest.v1 import AsyncExternalUpload, AsyncFirecrest
from f7tfs.sandbox.process import SandboxProcess

SYSTEM = "cluster"
MIB = 2**20
Use = Callable[[AsyncFirecrest], Awaitable[Any]]
Run = Callable[[Use], Any]


@pytest.fixture
def run(sandbox: SandboxProcess) -> Run:
    info = sandbox.info

    def with_client(use: Use) -> Any:
        async def main() -> Any:
            with trio.fail_after(60):
                credentials = f7t.ClientCredentials(info.client_id, info.client_secret, info.token_url)
                async with AsyncFirecrest(info.url_v1, credentials) as client:
                    client.polling_sleep_times = [0.05]
                    return await use(client)

        return trio.run(main)

    return with_client


@pytest.fixture
def top(sandbox: SandboxProcess, tmp_path: Path) -> str:
    """An empty directory on the cluster."""
    name = tmp_path.name
    (sandbox.home / name).mkdir(exist_ok=True)
    return f"{sandbox.info.home}/{name}"


@pytest.fixture
def real(sandbox: SandboxProcess, top: str) -> Path:
    """The same on this machine."""
    return sandbox.real(top)


def test_site(run: Run) -> None:
    async def use(client: AsyncFirecrest) -> None:
        assert [s["system"] for s in await client.all_systems()] == [SYSTEM]
        assert (await client.system(SYSTEM))["status"] == "available"
        names = [s["service"] for s in await client.all_services()]
        assert "utilities" in names
        assert (await client.service("utilities"))["service"] == "utilities"
        assert (await client.parameters())["utilities"][0]["value"] == "5"
        (home, *_) = (await client.filesystems())[SYSTEM]
        assert home["path"] == "/home"
        assert await client.filesystems(SYSTEM) == await client.filesystems()
        with pytest.raises(f7t.NotFound):
            await client.filesystems("nowhere")

    run(use)


def test_user(run: Run, sandbox: SandboxProcess) -> None:
    async def use(client: AsyncFirecrest) -> None:
        assert await client.whoami() == "user"
        assert sandbox.calls() == {"POST /auth/token": 1}
        assert await client.whoami(SYSTEM) == "user"
        assert (await client.groups(SYSTEM))["group"] == {"id": "100", "name": "users"}

    run(use)


def test_scheduler(run: Run) -> None:
    async def use(client: AsyncFirecrest) -> None:
        assert [n["NodeName"] for n in await client.nodes(SYSTEM)] == ["localhost"]
        assert [p["PartitionName"] for p in await client.partitions(SYSTEM)] == ["part01", "xfer"]
        assert await client.reservations(SYSTEM) == []

    run(use)


def test_reservations_are_made_changed_and_removed(run: Run) -> None:
    first, later = ("1", "gpu", "2026-12-24T00:00:00", "2026-12-24T12:00:00"), "2026-12-24T18:00:00"

    async def use(client: AsyncFirecrest) -> None:
        assert await client.all_reservations(SYSTEM) == []
        await client.create_reservation(SYSTEM, "mine", "staff", *first)
        await client.update_reservation(SYSTEM, "mine", "staff", *first[:3], later)
        (found,) = await client.all_reservations(SYSTEM)
        assert (found["reservationname"], found["endtime"]) == ("mine", later)
        await client.delete_reservation(SYSTEM, "mine")
        assert await client.all_reservations(SYSTEM) == []

    run(use)


def test_entries(run: Run, top: str, real: Path) -> None:
    async def use(client: AsyncFirecrest) -> None:
        assert await client.mkdir(SYSTEM, f"{top}/a/b", p=True) == f"{top}/a/b"
        (real / "a" / ".hidden").write_bytes(b"12345")
        assert [e["name"] for e in await client.list_files(SYSTEM, f"{top}/a")] == ["b"]
        shown = await client.list_files(SYSTEM, f"{top}/a", True)
        assert [(e["name"], e["size"]) for e in shown if e["type"] == "-"] == [(".hidden", "5")]
        assert (await client.stat(SYSTEM, f"{top}/a/.hidden"))["size"] == 5
        assert await client.symlink(SYSTEM, f"{top}/a", f"{top}/link") == f"{top}/link"
        assert (await client.stat(SYSTEM, f"{top}/link", dereference=True))["mode"] & 0o170000 == 0o040000
        assert await client.copy(SYSTEM, f"{top}/a/.hidden", f"{top}/copy") == f"{top}/copy"
        assert await client.mv(SYSTEM, f"{top}/copy", f"{top}/moved") == f"{top}/moved"
        await client.chmod(SYSTEM, f"{top}/moved", "600")
        await client.chown(SYSTEM, f"{top}/moved", group="users")
        await client.simple_delete(SYSTEM, f"{top}/a")

    run(use)
    assert sorted(os.listdir(real)) == ["link", "moved"]
    assert (real / "moved").stat().st_mode & 0o777 == 0o600


def test_content(run: Run, top: str, real: Path) -> None:
    (real / "text").write_text("".join(f"line {n}\n" for n in range(1, 21)))

    async def use(client: AsyncFirecrest) -> None:
        path = f"{top}/text"
        assert (await client.head(SYSTEM, path)).count("\n") == 10
        assert await client.head(SYSTEM, path, lines=1) == "line 1\n"
        assert await client.head(SYSTEM, path, bytes="4") == "line"
        assert (await client.head(SYSTEM, path, lines=19, skip_ending=True)) == "line 1\n"
        assert await client.tail(SYSTEM, path, lines="1") == "line 20\n"
        assert await client.tail(SYSTEM, path, lines=20, skip_beginning=True) == "line 20\n"
        assert (await client.view(SYSTEM, path)).startswith("line 1\n")
        assert await client.file_type(SYSTEM, path)
        assert len(await client.checksum(SYSTEM, path)) == 64

    run(use)


def test_small_transfers(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    content = os.urandom(100_000)
    (tmp_path / "f").write_bytes(content)
    sink = io.BytesIO()

    async def use(client: AsyncFirecrest) -> None:
        await client.simple_upload(SYSTEM, tmp_path / "f", top)
        await client.simple_upload(SYSTEM, io.BytesIO(b"open"), top, "g")
        await client.simple_download(SYSTEM, f"{top}/f", tmp_path / "back")
        await client.simple_download(SYSTEM, f"{top}/g", sink)
        with pytest.raises(ValueError, match="filename"):
            await client.simple_upload(SYSTEM, io.BytesIO(b"x"), top)
        with pytest.raises(FileNotFoundError):
            await client.simple_upload(SYSTEM, tmp_path / "missing", top)

    run(use)
    assert (real / "f").read_bytes() == (tmp_path / "back").read_bytes() == content
    assert sink.getvalue() == b"open"


def test_archives(run: Run, top: str, real: Path) -> None:
    (real / "d").mkdir()
    (real / "d" / "f").write_bytes(b"content")

    async def use(client: AsyncFirecrest) -> None:
        assert await client.compress(SYSTEM, f"{top}/d", f"{top}/d.tar.gz") == f"{top}/d.tar.gz"
        await client.simple_delete(SYSTEM, f"{top}/d")
        await client.extract(SYSTEM, f"{top}/d.tar.gz", top)
        await client.simple_delete(SYSTEM, f"{top}/d")
        await client.extract(SYSTEM, f"{top}/d.tar.gz", top, extension=".gz")

    run(use)
    assert (real / "d" / "f").read_bytes() == b"content"


def test_archive_jobs(run: Run, top: str, real: Path) -> None:
    (real / "d").mkdir()

    async def use(client: AsyncFirecrest) -> None:
        job = await client.submit_compress_job(SYSTEM, f"{top}/d", f"{top}/d.tar.gz")
        await client.wait_for_job(SYSTEM, job["jobid"])
        job = await client.submit_extract_job(SYSTEM, f"{top}/d.tar.gz", f"{top}/d")
        assert (await client.wait_for_job(SYSTEM, job["jobid"]))["state"] == "COMPLETED"

    run(use)
    assert (real / "d" / "d").is_dir()


def test_internal_jobs(run: Run, top: str, real: Path) -> None:
    (real / "f").write_bytes(b"content")

    async def use(client: AsyncFirecrest) -> None:
        async def done(job: dict[str, Any]) -> str:
            return str((await client.wait_for_job(SYSTEM, job["jobid"], timeout=30))["state"])

        assert await done(await client.submit_copy_job(SYSTEM, f"{top}/f", f"{top}/g")) == "COMPLETED"
        assert await done(await client.submit_rsync_job(SYSTEM, f"{top}/f", f"{top}/h")) == "COMPLETED"
        assert await done(await client.submit_move_job(SYSTEM, f"{top}/g", f"{top}/i", job_name="m")) == "COMPLETED"
        assert await done(await client.submit_delete_job(SYSTEM, f"{top}/f")) == "COMPLETED"
        failed = await client.submit_move_job(SYSTEM, f"{top}/nothing", f"{top}/i")
        assert await done(failed) == "FAILED"

    run(use)
    assert sorted(os.listdir(real)) == ["h", "i"]


def test_jobs(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    script = "#!/bin/bash\nexit 3\n"
    (tmp_path / "job.sh").write_text(script)
    (real / "job.sh").write_text(script)

    async def use(client: AsyncFirecrest) -> None:
        for given in (
            {"script_str": script},
            {"script_local_path": str(tmp_path / "job.sh")},
            {"script_remote_path": f"{top}/job.sh"},
            {"job_script": str(tmp_path / "job.sh")},
            {"job_script": f"{top}/job.sh", "local_file": False},
        ):
            job = await client.submit(SYSTEM, account="staff", env_vars={"A": "b"}, **given)
            ended = await client.wait_for_job(SYSTEM, job["jobid"])
            assert (ended["state"], ended["exit_code"]) == ("FAILED", "3:0")
        assert await client.poll(SYSTEM, []) == await client.poll_active(SYSTEM, []) == []
        with pytest.raises(ValueError, match="exactly one"):
            await client.submit(SYSTEM)
        with pytest.raises(FileNotFoundError):
            await client.submit(SYSTEM, "missing.sh")

    run(use)


def test_cancel(run: Run) -> None:
    async def use(client: AsyncFirecrest) -> None:
        job = await client.submit(SYSTEM, script_str="#!/bin/bash\nsleep 60\n")
        assert [j["jobid"] for j in await client.poll_active(SYSTEM, [job["jobid"]])] == [job["jobid"]]
        with pytest.raises(f7t.WaitTimedOut):
            await client.wait_for_job(SYSTEM, job["jobid"], timeout=0.3)
        assert "Terminating" in await client.cancel(SYSTEM, job["jobid"])
        assert (await client.wait_for_job(SYSTEM, job["jobid"]))["state"].startswith("CANCELLED")
        with pytest.raises(f7t.TaskException, match="Invalid job id") as raised:
            await client.poll_active(SYSTEM, [job["jobid"]])
        assert [r.request.rpartition("/")[0] for r in raised.value.responses][:2] == ["GET /compute", "GET /tasks"]

    run(use)


def test_external_download(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    content = os.urandom(7 * MIB)
    (real / "large").write_bytes(content)

    async def use(client: AsyncFirecrest) -> None:
        transfer = await client.external_download(SYSTEM, f"{top}/large")
        while await transfer.in_progress:
            assert await transfer.status in {"100", "116", "117"}
            await trio.sleep(0.05)
        assert await transfer.status == "117"
        link = await transfer.object_storage_link
        assert (await transfer.object_storage_data)["url"] == (await transfer.data)["url"] == link
        await transfer.finish_download(tmp_path / "back")
        with (tmp_path / "open").open("wb") as file:
            file.write(b"before")
            await transfer.finish_download(file)
        await transfer.invalidate_object_storage_link()

    run(use)
    assert (tmp_path / "back").read_bytes() == content
    assert (tmp_path / "open").read_bytes() == b"before" + content


def test_external_upload(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    content = os.urandom(7 * MIB)
    (tmp_path / "large").write_bytes(content)

    async def use(client: AsyncFirecrest) -> None:
        transfer = await client.external_upload(SYSTEM, str(tmp_path / "large"), top)
        data = await transfer.object_storage_data
        assert data["parameters"]["url"].startswith("http")
        assert data["command"].startswith("curl ")
        await transfer.finish_upload()
        seen = set()
        while await transfer.in_progress:
            seen.add(await transfer.status)
            await trio.sleep(0.05)
        assert seen <= {"111", "112", "113", "114"}
        assert await transfer.status == "114"
        assert await transfer.object_storage_data == data
        late = AsyncExternalUpload(client, transfer.task_id)
        with pytest.raises(f7t.FirecrestException, match="before"):
            await late.finish_upload()
        with pytest.raises(FileNotFoundError):
            await client.external_upload(SYSTEM, str(tmp_path / "missing"), top)

    run(use)
    assert (real / "large").read_bytes() == content


def test_a_failed_transfer_is_told(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    (real / "two words").write_bytes(b"x")

    async def use(client: AsyncFirecrest) -> None:
        transfer = await client.external_download(SYSTEM, f"{top}/two words")
        with pytest.raises(f7t.TaskException, match=r"118.*Failed to open"):
            await transfer.finish_download(tmp_path / "back")
        with pytest.raises(f7t.HeaderException) as raised:
            await client.external_download(SYSTEM, f"{top}/missing")
        assert raised.value.responses[-1].status_code == 400
        assert raised.value.responses[-1].headers["X-Invalid-Path"]
        assert raised.value.responses[-1].json()["description"] == "sourcePath error"

    run(use)
