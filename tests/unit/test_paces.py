"""When a program's changes are a burst."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from f7tfs.cluster.errors import NoSpace, PermissionDenied
from f7tfs.vfs.paces import FEW, PACE_SECONDS, PAUSE_SECONDS, Pace, Paces, asked_by, process_group


def many(pace: Pace, number: int, own: float, start: float = 100.0, answer: float = 3.0) -> float:
    """A program makes changes, taking its own time before each; returns when it has the last answer."""
    now = start
    for _ in range(number):
        now += own
        pace.begin(now)
        now += answer
        pace.end(now)
    return now


def test_a_few_changes_are_no_burst_and_the_next_one_is() -> None:
    pace = Pace()
    now = many(pace, FEW, 0.01)
    assert not pace.burst
    pace.begin(now + 0.01)
    assert pace.burst


def test_how_long_the_cluster_takes_does_not_matter() -> None:
    pace = Pace()
    many(pace, FEW + 1, 0.01, answer=30.0)
    assert pace.burst


def test_one_who_takes_time_for_each_change_is_waited_for() -> None:
    pace = Pace()
    many(pace, 50, PACE_SECONDS * 1.2)
    assert not pace.burst


def test_one_hesitation_among_quick_changes_does_not_count() -> None:
    pace = Pace()
    now = many(pace, FEW, 0.01)
    many(pace, 1, PAUSE_SECONDS * 0.9, now)
    assert pace.burst


def test_a_burst_ends_with_a_pause() -> None:
    pace = Pace()
    now = many(pace, FEW + 4, 0.01)
    many(pace, FEW, 0.01, now + PAUSE_SECONDS)
    assert not pace.burst


def test_changes_at_the_same_time_leave_no_time_between_them() -> None:
    pace = Pace()
    for _ in range(FEW + 1):
        pace.begin(100.0)
    assert pace.burst


class Groups:
    """Process groups: that of a process is its number without the last digit."""

    def __call__(self, process: int) -> int:
        return process // 10


def make(paces: Paces, process: int, path: str = "/d/f", number: int = 1) -> bool:
    """Make some changes; whether the last one may wait."""
    waits = False
    for _ in range(number):
        with asked_by(process), paces.change():
            waits = paces.going_on(path)
    return waits


@pytest.fixture
def paces() -> Paces:
    return Paces(enabled=True, group_of=Groups(), clock=lambda: 100.0)


def test_processes_of_one_group_are_one_program(paces: Paces) -> None:
    assert not any(make(paces, 1230 + index) for index in range(FEW))
    assert make(paces, 1239)
    assert not make(paces, 1241), "another group"


def test_one_who_is_not_known_makes_no_burst(paces: Paces) -> None:
    assert not make(paces, 0, number=50)
    assert not make(paces, 5, number=50), "it has no group"


def test_there_is_no_burst_outside_of_a_change(paces: Paces) -> None:
    make(paces, 1230, number=50)
    with asked_by(1230):
        assert not paces.going_on("/d/f")


def test_fsync_lets_it_begin_anew(paces: Paces) -> None:
    make(paces, 1230, number=50)
    with asked_by(1230):
        paces.synced()
    assert not make(paces, 1230, number=FEW)
    assert make(paces, 1230)


def test_beside_what_was_refused_every_change_waits_for_the_cluster(paces: Paces) -> None:
    make(paces, 1230, number=50)
    paces.refused("/d/locked/f", PermissionDenied("no"))
    assert make(paces, 1230, "/d/f")
    assert not make(paces, 1230, "/d/locked/g")
    assert not make(paces, 1230, "/d/locked/e/h")


def test_where_there_is_no_room_every_change_waits_for_the_cluster(paces: Paces) -> None:
    make(paces, 1230, number=50)
    paces.refused("/d/f", NoSpace("full"))
    assert not make(paces, 1230, "/elsewhere/g")


def test_switched_off_there_is_none() -> None:
    assert not make(Paces(enabled=False, group_of=Groups(), clock=lambda: 100.0), 1230, number=50)


def test_the_group_of_a_process_is_read_from_proc() -> None:
    assert process_group(os.getpid()) == os.getpgrp()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as child:
        assert process_group(child.pid) == child.pid
        child.communicate(b"\n")
    assert process_group(child.pid) == 0
