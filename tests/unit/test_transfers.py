"""What is told of transfers under way."""

from __future__ import annotations

import time

import pytest

from f7tfs.cli.transfers import row
from f7tfs.vfs.transfers import Transfer, Transfers


def test_a_transfer_is_shown_once_while_anything_of_it_goes_on() -> None:
    transfers, one = Transfers(), Transfer("download", "/a", 100)
    with transfers.running(one):
        with transfers.running(one), transfers.running(Transfer("upload", "/b", 7)):
            assert [each["path"] for each in transfers.report()] == ["/a", "/b"]
        assert [each["path"] for each in transfers.report()] == ["/a"]
    assert transfers.report() == []


def test_rate_and_time_left_are_of_the_bytes_that_move(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    transfer = Transfer("upload", "/a", 1000)
    assert (transfer.report()["phase"], transfer.report()["rate"], transfer.report()["left"]) == ("queued", 0.0, None)
    for second in range(5):
        now = 1000.0 + second
        transfer.progress("transferring", 100 * second)
    report = transfer.report()
    assert (report["rate"], report["left"], report["done"]) == (100.0, 6.0, 400)
    transfer.progress("finishing", 1000)
    assert (transfer.report()["rate"], transfer.report()["left"]) == (0.0, None)


def test_a_row_is_for_people() -> None:
    told = {"direction": "upload", "path": "/a", "size": 2**21, "phase": "transferring", "done": 2**20}
    assert row({**told, "rate": 2**20, "left": 1.0}) == (
        "upload", "/a", "2.0 MiB", "transferring", "50 %", "1.0 MiB/s", "1 s",
    )  # fmt: skip
    assert row({**told, "rate": 0.0, "left": None})[-2:] == ("", "")
