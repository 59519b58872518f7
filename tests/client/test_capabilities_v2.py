"""Each capability of the v2 client, by pyFirecREST's names, against the sandbox."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import f7tfs.firecrest as f7t
from f7tfs.firecrest.v2 import AsyncFirecrest
from f7tfs.firecrest.v2.links import file_behind
from f7tfs.sandbox.process import SandboxProcess

SYSTEM = "cluster"
MIB = 2**20
SCRIPT = "#!/bin/bash\n#SBATCH --job-name=hello\necho $A; exit 3\n"
Use = Callable[[AsyncFirecrest], Awaitable[Any]]
Run = Callable[[Use], Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """With parts that a test file has several of."""
    with SandboxProcess(tmp_path_factory.mktemp("v2"), max_part_size=5 * MIB, ingest_poll_seconds=0.1) as sandbox:
        yield sandbox


@pytest.fixture
def run(server: SandboxProcess) -> Iterator[Run]:
    info = server.info
    server.reset_calls()

    def with_client(use: Use) -> Any:
        async def main() -> Any:
            with trio.fail_after(60):
                credentials = f7t.ClientCredentials(info.client_id, info.client_secret, info.token_url)
                async with AsyncFirecrest(info.url_v2, credentials) as client:
                    client.polling_sleep_times = [0.05]
                    return await use(client)

        return trio.run(main)

    yield with_client
    server.clear_faults()


@pytest.fixture
def top(server: SandboxProcess, tmp_path: Path) -> str:
    """An empty directory on the cluster."""
    (server.home / tmp_path.name).mkdir()
    return f"{server.info.home}/{tmp_path.name}"


@pytest.fixture
def real(server: SandboxProcess, top: str) -> Path:
    """The same on this machine."""
    return server.real(top)


def test_site(run: Run) -> None:
    async def use(client: AsyncFirecrest) -> None:
        assert [s["name"] for s in await client.systems()] == [SYSTEM]
        assert (await client.userinfo(SYSTEM))["user"] == {"id": "4103", "name": "user"}
        assert [p["name"] for p in await client.partitions(SYSTEM)] == ["part01", "xfer"]
        assert len(await client.nodes(SYSTEM)) == 1
        assert await client.reservations(SYSTEM) == []
        assert await client.liveness()
        assert (await client.server_version() or "").startswith("2")

    run(use)


def test_entries(run: Run, top: str, real: Path) -> None:
    async def use(client: AsyncFirecrest) -> None:
        assert (await client.mkdir(SYSTEM, f"{top}/a/b", create_parents=True))["name"] == f"{top}/a/b"
        (real / "a" / ".hidden").write_bytes(b"12345")
        assert [e["name"] for e in await client.list_files(SYSTEM, f"{top}/a")] == ["b"]
        assert [e["name"] for e in await client.list_files(SYSTEM, f"{top}/a", True)] == [".hidden", "b"]
        assert (await client.stat(SYSTEM, f"{top}/a/.hidden"))["size"] == 5
        await client.symlink(SYSTEM, f"{top}/a", f"{top}/link")
        assert (await client.stat(SYSTEM, f"{top}/link", True))["mode"] & 0o170000 == 0o040000
        assert (await client.chmod(SYSTEM, f"{top}/a/b", "700"))["permissions"] == "rwx------"
        assert (await client.chown(SYSTEM, f"{top}/a/b", "", "users"))["group"] == "users"
        assert await client.rm(SYSTEM, f"{top}/a") is None
        with pytest.raises(f7t.NotFound) as raised:
            await client.stat(SYSTEM, f"{top}/a")
        assert raised.value.responses[-1].request == f"GET /filesystem/{SYSTEM}/ops/stat path={top}/a"

    run(use)
    assert os.listdir(real) == ["link"]


def test_content(run: Run, top: str, real: Path) -> None:
    (real / "text").write_text("".join(f"line {n}\n" for n in range(1, 21)))

    async def use(client: AsyncFirecrest) -> None:
        path = f"{top}/text"
        assert (await client.head(SYSTEM, path))["content"].count("\n") == 10
        assert (await client.head(SYSTEM, path, num_lines=1))["content"] == "line 1\n"
        assert (await client.head(SYSTEM, path, num_lines=19, exclude_trailing=True))["content"] == "line 1\n"
        assert (await client.tail(SYSTEM, path, num_bytes=3))["content"] == "20\n"
        assert (await client.tail(SYSTEM, path, num_lines=20, exclude_beginning=True))["content"] == "line 20\n"
        assert (await client.view(SYSTEM, path)).startswith("line 1\n")
        assert await client.file_type(SYSTEM, path)
        digest = await client.checksum(SYSTEM, path)
        assert (digest["algorithm"], len(digest["checksum"])) == ("SHA256", 64)

    run(use)


def test_archives(run: Run, top: str, real: Path) -> None:
    (real / "d").mkdir()
    (real / "d" / "f").write_bytes(b"content")

    async def use(client: AsyncFirecrest) -> None:
        await client.compress(SYSTEM, f"{top}/d", f"{top}/d.tar.gz")
        await client.rm(SYSTEM, f"{top}/d")
        await client.extract(SYSTEM, f"{top}/d.tar.gz", top)

    run(use)
    assert (real / "d" / "f").read_bytes() == b"content"


def test_what_takes_too_long_is_left_to_a_job(run: Run, top: str, real: Path, server: SandboxProcess) -> None:
    (real / "d").mkdir()
    (real / "d" / "f").write_bytes(b"content")
    slow = [{"match": f"/ops/{name}", "status": 408, "count": 1} for name in ("compress", "extract", "rm")]
    server.faults(*slow)

    async def use(client: AsyncFirecrest) -> None:
        await client.compress(SYSTEM, f"{top}/d", f"{top}/d.tar.gz")
        await client.extract(SYSTEM, f"{top}/d.tar.gz", f"{top}/d")
        assert (real / "d" / "d" / "f").read_bytes() == b"content"
        answer = await client.rm(SYSTEM, f"{top}/d")
        assert answer is not None
        assert answer["transferJob"]["jobId"]

    run(use)
    assert os.listdir(real) == ["d.tar.gz"]


def test_file_jobs(run: Run, top: str, real: Path) -> None:
    (real / "f").write_bytes(b"content")

    async def use(client: AsyncFirecrest) -> None:
        await client.cp(SYSTEM, f"{top}/f", f"{top}/g")
        await client.mv(SYSTEM, f"{top}/g", f"{top}/h", timeout=30)
        answer = await client.cp(SYSTEM, f"{top}/f", f"{top}/i", blocking=False)
        (job,) = await client.wait_for_job(SYSTEM, answer["transferJob"]["jobId"])
        assert job["status"]["state"] == "COMPLETED"
        with pytest.raises(f7t.TransferJobFailedException, match="cannot stat") as raised:
            await client.mv(SYSTEM, f"{top}/nothing", f"{top}/j")
        assert raised.value.responses[0].request.startswith(f"POST /filesystem/{SYSTEM}/transfer/mv sourcePath={top}")
        with pytest.raises(f7t.WaitTimedOut):
            await client.cp(SYSTEM, f"{top}/f", f"{top}/k", timeout=0.01)

    run(use)
    assert {"f", "h", "i"} <= set(os.listdir(real))


@pytest.mark.parametrize("size", [1, 3 * MIB, 5 * MIB, 12 * MIB + 7], ids=["one", "3M", "5M", "12M"])
def test_transfers(run: Run, top: str, real: Path, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)

    async def use(client: AsyncFirecrest) -> None:
        up = await client.upload(SYSTEM, tmp_path / "f", top, "f")
        assert (up is None) == (size <= 5 * MIB)
        down = await client.download(SYSTEM, f"{top}/f", tmp_path / "back")
        assert (down is None) == (size <= 3 * MIB)

    run(use)
    assert (real / "f").read_bytes() == (tmp_path / "back").read_bytes() == content


def test_an_empty_file_is_sent(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    run(lambda client: client.upload(SYSTEM, tmp_path / "f", top, "f"))
    assert (real / "f").stat().st_size == 0


def test_transfers_step_by_step(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    content = os.urandom(6 * MIB)
    (tmp_path / "f").write_bytes(content)

    async def use(client: AsyncFirecrest) -> None:
        up = await client.upload(SYSTEM, tmp_path / "f", top, "f", blocking=False)
        assert up is not None
        assert len(up.object_storage_data["partsUploadUrls"]) == 2
        await up.upload_file_to_stage()
        await up.wait_for_transfer_job(timeout=30)
        down = await client.download(SYSTEM, f"{top}/f", tmp_path / "back", blocking=False)
        assert down is not None
        assert down.transfer_data["transferDirectives"]["downloadUrl"].startswith("http")
        await down.wait_for_transfer_job()
        await down.download_file_from_stage(tmp_path / "other")

    run(use)
    assert (tmp_path / "other").read_bytes() == content
    assert not (tmp_path / "back").exists()


def test_a_transfer_that_comes_to_nothing_is_told(
    run: Run, top: str, real: Path, tmp_path: Path, server: SandboxProcess
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(6 * MIB))
    (real / "large").write_bytes(os.urandom(6 * MIB))

    async def use(client: AsyncFirecrest) -> None:
        with pytest.raises(f7t.TransferJobFailedException, match="No such file"):
            await client.upload(SYSTEM, tmp_path / "f", f"{top}/missing", "f")
        server.faults(wrong_content=1)
        with pytest.raises(f7t.StorageDownloadException, match="were staged"):
            await client.download(SYSTEM, f"{top}/large", tmp_path / "back")
        with pytest.raises(FileNotFoundError):
            await client.upload(SYSTEM, tmp_path / "missing", top, "f")
        with pytest.raises(ValueError, match="transfer_method"):
            await client.upload(SYSTEM, tmp_path / "f", top, "f", transfer_method="pigeon")
        for method in ("streamer", "wormhole"):
            with pytest.raises(f7t.UnsupportedTransferMethod, match=method):
                await client.upload(SYSTEM, tmp_path / "f", top, "f", transfer_method=method)
            with pytest.raises(f7t.UnsupportedTransferMethod, match=method):
                await client.download(SYSTEM, f"{top}/large", tmp_path / "back", transfer_method=method)

    run(use)


def test_a_symlink_to_a_large_file_is_followed_before_it_is_staged(
    run: Run, top: str, real: Path, tmp_path: Path
) -> None:
    content = os.urandom(6 * MIB)
    (real / "it's née").mkdir()
    (real / "it's née" / "large").write_bytes(content)
    (real / "relative").symlink_to("it's née/large")
    (real / "absolute").symlink_to(f"{top}/relative")
    (real / "around").symlink_to("around")
    (real / "dangling").symlink_to("nothing")
    # The job that stages a file copes with neither blanks nor quotes: this link goes by a plain name.
    (real / "plain").symlink_to("it's née")
    (real / "through").symlink_to("plain/large")

    async def use(client: AsyncFirecrest) -> None:
        await client.download(SYSTEM, f"{top}/through", tmp_path / "back")
        for link in ("relative", "absolute"):
            path, size = await file_behind(client.api, SYSTEM, f"{top}/{link}")
            assert (path, size) == (f"{top}/it'\\''s née/large", len(content))
            assert (await client.stat(SYSTEM, path))["size"] == size
        with pytest.raises(f7t.FirecrestException, match="too many levels"):
            await client.download(SYSTEM, f"{top}/around", tmp_path / "no")
        with pytest.raises(f7t.NotFound):
            await client.download(SYSTEM, f"{top}/dangling", tmp_path / "no")

    run(use)
    assert (tmp_path / "back").read_bytes() == content
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("size", [3 * MIB, 6 * MIB + 1], ids=["3M", "6M"])
def test_open_files_are_sent(
    run: Run, top: str, real: Path, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(size + 10)
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))

    async def use(client: AsyncFirecrest) -> None:
        await client.upload(SYSTEM, io.BytesIO(content), top, "f", file_size=size)
        with pytest.raises(ValueError, match="file_size"):
            await client.upload(SYSTEM, io.BytesIO(content), top, "g")
        with pytest.raises(OSError, match="ended 5 bytes early"):
            await client.upload(SYSTEM, io.BytesIO(content), top, "g", file_size=size + 15)

    run(use)
    assert (real / "f").read_bytes() == content[:size]
    assert not (real / "g").exists()
    assert list(copies.iterdir()) == []


def test_jobs(run: Run, top: str, real: Path, tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(SCRIPT)
    (real / "job.sh").write_text(SCRIPT)

    async def use(client: AsyncFirecrest) -> None:
        for given in (
            {"script_str": SCRIPT},
            {"script_local_path": str(tmp_path / "job.sh")},
            {"script_remote_path": f"{top}/job.sh"},
        ):
            submitted = await client.submit(SYSTEM, top, env_vars={"A": "b"}, account="staff", **given)
            (job,) = await client.wait_for_job(SYSTEM, submitted["jobId"])
            assert (job["status"]["state"], job["status"]["exitCode"], job["account"]) == ("FAILED", 3, "staff")
            assert (real / f"slurm-{submitted['jobId']}.out").read_text() == "b\n"
        assert submitted["jobId"] in [j["jobId"] for j in await client.job_info(SYSTEM, name="hello")]
        (metadata,) = await client.job_metadata(SYSTEM, submitted["jobId"])
        assert metadata["script"] == SCRIPT
        with pytest.raises(ValueError, match="exactly one"):
            await client.submit(SYSTEM, top)
        with pytest.raises(FileNotFoundError):
            await client.submit(SYSTEM, top, script_local_path=tmp_path / "missing")
        with pytest.raises(f7t.NotFound):
            await client.wait_for_job(SYSTEM, "99999", not_found_timeout=0.1)

    run(use)


def test_a_running_job(run: Run, top: str, real: Path) -> None:
    async def use(client: AsyncFirecrest) -> None:
        job_id = (await client.submit(SYSTEM, top, script_str="#!/bin/bash\nsleep 60\n"))["jobId"]
        for _ in range(600):
            if (await client.job_info(SYSTEM, job_id))[0]["status"]["state"] == "RUNNING":
                break
            await trio.sleep(0.05)
        await client.attach_to_job(SYSTEM, job_id, "touch attached")
        await client.cancel_job(SYSTEM, job_id)
        (job,) = await client.wait_for_job(SYSTEM, job_id)
        assert job["status"]["state"].startswith("CANCELLED")

    run(use)
    assert (real / "attached").exists()
