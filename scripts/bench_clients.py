"""Ten common tasks by our client and by the official one, in one run: requests at the server, and wall time.

Writes docs/explanation/client-figures.md. Both clients run the same code with their default settings.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import firecrest

import f7tfs.firecrest as f7t
from f7tfs.sandbox.process import SandboxProcess

TARGET = Path(__file__).parents[1] / "docs/explanation/client-figures.md"
MIB = 2**20
SCRIPT = "#!/bin/bash\necho done\n"
Work = Callable[[Any, "Place"], None]


@dataclass(frozen=True)
class Place:
    """Where a task works: a directory on the cluster, and one here."""

    system: str
    far: str
    near: Path


@dataclass(frozen=True)
class Task:
    """What is done, by the client of which version."""

    name: str
    version: str
    work: Work


@dataclass
class Row:
    """What a task cost, each time that it was done, by client."""

    task: Task
    requests: dict[str, list[int]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)


def small_v1(client: Any, place: Place) -> None:
    client.simple_upload(place.system, str(place.near / "small"), place.far)
    client.simple_download(place.system, f"{place.far}/small", str(place.near / "back"))


def job_v1(client: Any, place: Place) -> None:
    job = client.submit(place.system, script_str=SCRIPT)
    client.poll(place.system, [job["jobid"]])


def down_v1(client: Any, place: Place) -> None:
    transfer = client.external_download(place.system, f"{place.far}/large")
    transfer.finish_download(str(place.near / "back"))
    transfer.invalidate_object_storage_link()


def up_v1(client: Any, place: Place) -> None:
    client.external_upload(place.system, str(place.near / "large"), place.far).finish_upload()


def tree_v1(client: Any, place: Place) -> None:
    client.mkdir(place.system, f"{place.far}/made/sub", p=True)
    client.mv(place.system, f"{place.far}/made/sub", f"{place.far}/made/moved")
    client.simple_delete(place.system, f"{place.far}/made")


def middle_v2(client: Any, place: Place) -> None:
    client.upload(place.system, str(place.near / "middle"), place.far, "middle", blocking=True)
    client.download(place.system, f"{place.far}/middle", str(place.near / "back"), blocking=True)


def large_v2(client: Any, place: Place) -> None:
    client.upload(place.system, str(place.near / "large"), place.far, "copy", blocking=True)
    client.download(place.system, f"{place.far}/large", str(place.near / "back"), blocking=True)


def move_v2(client: Any, place: Place) -> None:
    client.cp(place.system, f"{place.far}/small", f"{place.far}/there", blocking=True)
    client.mv(place.system, f"{place.far}/there", f"{place.far}/elsewhere", blocking=True)


def job_v2(client: Any, place: Place) -> None:
    job = client.submit(place.system, working_dir=place.far, script_str=SCRIPT)
    client.wait_for_job(place.system, job["jobId"])


TASKS = (
    Task("list a directory of 100 files", "1", lambda c, p: c.list_files(p.system, f"{p.far}/many")),
    Task("make, move and remove a directory", "1", tree_v1),
    Task("send and fetch a file of 100 kB", "1", small_v1),
    Task("submit a job and ask for it", "1", job_v1),
    Task("fetch a file of 20 MiB", "1", down_v1),
    Task("send a file of 20 MiB to object storage", "1", up_v1),
    Task("send and fetch a file of 3 MB", "2", middle_v2),
    Task("send and fetch a file of 20 MiB", "2", large_v2),
    Task("copy and move a file by jobs", "2", move_v2),
    Task("submit a job and wait for it", "2", job_v2),
)


class Authorization:
    """One token for both clients: how it is fetched is not measured."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_access_token(self) -> str:
        return self._token


@contextlib.contextmanager
def clients(sandbox: SandboxProcess, version: str) -> Iterator[dict[str, Any]]:
    """Both clients, each with a connection that is open already."""
    authorization = Authorization(sandbox.token(seconds=3600))
    url = sandbox.info.url_v1 if version == "1" else sandbox.info.url_v2
    modules = {"f7tfs": f7t, "pyfirecrest": firecrest}
    found = {
        name: (module.v1 if version == "1" else module.v2).Firecrest(firecrest_url=url, authorization=authorization)
        for name, module in modules.items()
    }
    for client in found.values():
        (client.all_systems if version == "1" else client.systems)()
    yield found
    found["f7tfs"].close_session()
    official = found["pyfirecrest"]
    official.close_session() if version == "2" else official._session.close()  # noqa: SLF001 - it has no method for it


def prepare(sandbox: SandboxProcess, near: Path) -> Place:
    """Files on both sides."""
    real = sandbox.home / "bench"
    (real / "many").mkdir(parents=True)
    for number in range(100):
        (real / "many" / f"file-{number}").write_bytes(b"x")
    for directory in (real, near):
        for name, size in (("small", 100_000), ("middle", 3_000_000), ("large", 20 * MIB)):
            (directory / name).write_bytes(os.urandom(size))
    return Place(sandbox.info.system, f"{sandbox.info.home}/bench", near)


def measure(repeats: int) -> list[Row]:
    """Each task by both clients, in turns."""
    rows = [Row(task) for task in TASKS]
    with tempfile.TemporaryDirectory() as here, SandboxProcess(Path(here) / "sandbox") as sandbox:
        near = Path(here) / "near"
        near.mkdir()
        place = prepare(sandbox, near)
        for row in rows:
            with clients(sandbox, row.task.version) as both:
                for _ in range(repeats):
                    for name, client in both.items():
                        once(sandbox, row, name, client, place)
    return rows


def once(sandbox: SandboxProcess, row: Row, name: str, client: Any, place: Place) -> None:
    sandbox.reset_calls()
    began = time.perf_counter()
    row.task.work(client, place)
    row.seconds.setdefault(name, []).append(time.perf_counter() - began)
    row.requests.setdefault(name, []).append(sum(sandbox.calls().values()))


def table(rows: list[Row]) -> str:
    lines = [
        "| API | task | requests, f7tfs | requests, pyfirecrest | seconds, f7tfs | seconds, pyfirecrest |",
        "|-|-|-|-|-|-|",
    ]
    for row in rows:
        counts = [str(min(row.requests[name])) for name in ("f7tfs", "pyfirecrest")]
        seconds = [f"{statistics.median(row.seconds[name]):.3f}" for name in ("f7tfs", "pyfirecrest")]
        lines.append(f"| v{row.task.version} | {row.task.name} | {' | '.join(counts + seconds)} |")
    return "\n".join(lines)


def page(rows: list[Row], repeats: int) -> str:
    about = f"Python {platform.python_version()}, {os.cpu_count()} processors"
    return f"""# What tasks cost, with this client and with pyfirecrest

Ten common tasks, done by the same code with both clients, by default settings, over an open connection.
Requests are those that the server counted (object storage is another server and not counted), the fewest of {repeats}
times; seconds are the median. The server is the sandbox on the same machine ({about}), whose jobs
start after 0.2 s: the seconds tell the clients apart, and say nothing of a real site.

{table(rows)}

What makes the differences: files of up to 5 MiB are sent at once by this client; tasks and jobs are asked for less
often the longer they take; and whether a transfer job did its work is seen at the file, instead of in a log.

Make this table again with `python scripts/bench_clients.py`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    # Its own: it leaves sessions open, and calls what is deprecated in its libraries.
    warnings.simplefilter("ignore")
    rows = measure(repeats)
    TARGET.write_text(page(rows, repeats))
    print(table(rows))


if __name__ == "__main__":
    main()
