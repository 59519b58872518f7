"""What the comparison with other mounts is made of: the delay, the table and the picture."""

from __future__ import annotations

import socket
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.peers import page
from scripts.peers.contenders import ALL
from scripts.peers.delay import HOST, delayed
from scripts.peers.measure import Cell
from scripts.peers.tasks import sizes, tasks

DELAY = 0.2
TASKS = tasks(1000)


def cell(contender: str, seconds: float | None, **more: object) -> Cell:
    fields = {
        "task": "ls",
        "contender": contender,
        "delay": 0.04,
        "bound": 30.0,
        "seconds": seconds,
        "there": seconds,
    }
    fields |= {"calls": None, "failed": "", "load": 0.5}
    return Cell(**(fields | more))  # type: ignore[arg-type]


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that gives back what it gets, until the connection is half closed."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while block := connection.recv(2**16):
                    connection.sendall(block)

        server = threading.Thread(target=serve)
        server.start()
        yield int(listener.getsockname()[1])
        server.join(60)


def test_a_round_trip_takes_the_delay_and_a_new_connection_one_more(echo: int) -> None:
    with delayed(echo, DELAY) as port, socket.create_connection((HOST, port), timeout=60) as connection:
        took = []
        for _ in range(2):
            began = time.monotonic()
            connection.sendall(b"there and back")
            assert connection.recv(100) == b"there and back"
            took.append(time.monotonic() - began)
    assert took[0] >= 2 * DELAY
    assert took[1] >= DELAY


def test_all_that_is_sent_arrives_behind_the_delay(echo: int) -> None:
    sent = bytes(range(256)) * 8192
    with delayed(echo, 0.01) as port, socket.create_connection((HOST, port), timeout=60) as connection:
        threading.Thread(target=connection.sendall, args=(sent,)).start()
        came = b""
        while len(came) < len(sent):
            came += connection.recv(2**16)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert came == sent


def test_a_table_has_what_was_measured_and_says_what_was_not() -> None:
    cells = [
        cell("sshfs", 10.0),
        cell("f7tfs v2 auto", 4.0, calls=7),
        cell("f7tfs v2 async", 0.5, there=2.0, calls=3),
    ]
    head, _, row = page.table(cells, TASKS).splitlines()
    assert head == "| task | sshfs | f7tfs v2 auto | f7tfs v2 async | times sshfs |"
    assert row == "| `ls -l` of 1,000 entries | 10 | 4.00 (7) | 0.50 → 2.00 (3) | 5.0 |"


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        (cell("sshfs", None), "over 30"),
        (cell("rclone", 2.0, there=None), "2.00 → over 30"),
        (cell("rclone", 2.0, failed="status 1"), "failed: status 1"),
        (None, "–"),
    ],
)
def test_what_took_too_long_or_failed_is_told(measured: Cell | None, told: str) -> None:
    assert page.told(measured) == told


def test_a_ratio_to_what_took_too_long_is_a_bound() -> None:
    assert page.ratio({"sshfs": cell("sshfs", None), "f7tfs v2 auto": cell("f7tfs v2 auto", 3.0)}) == "over 10.0"
    assert page.ratio({"f7tfs v2 auto": cell("f7tfs v2 auto", 3.0)}) == "–"
    failed = cell("f7tfs v2 auto", 3.0, failed="wrong content")
    assert page.ratio({"sshfs": cell("sshfs", 3.0), "f7tfs v2 auto": failed}) == "–"


def test_the_picture_has_a_bar_for_each_figure() -> None:
    cells = [cell("sshfs", None), cell("f7tfs v2 auto", 0.2), cell("f7tfs v1 auto", 0.2)]
    root = ET.fromstring(page.drawn(cells, TASKS, 0.04))  # noqa: S314 - our own
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"over 30 s", "0.2 s"} <= set(texts)
    assert len([rect for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("y") == "76"]) == 1


def test_a_page_is_written_with_its_pictures(tmp_path: Path) -> None:
    for name in ("explanation", "pictures"):
        (tmp_path / name).mkdir()
    target = tmp_path / "explanation/peers.md"
    page.write([cell("sshfs", 10.0), cell("sshfs", 9.0, delay=0.1)], TASKS, target, "A note.")
    text = target.read_text()
    assert "## 40 ms" in text
    assert "## 100 ms" in text
    assert "A note." in text
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"peers-40ms.svg", "peers-100ms.svg"}


def test_each_task_and_contender_has_a_name_of_its_own() -> None:
    assert len({task.key for task in TASKS}) == len({task.title for task in TASKS}) == len(TASKS)
    assert len({str(contender) for contender in ALL}) == len(ALL)


def test_files_that_vanish_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"123")
    assert sizes(tmp_path) == {"d/f": 3}
    assert sizes(tmp_path / "none") == {}
