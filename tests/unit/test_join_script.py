"""The scripts that join pieces on the cluster, run here by bash."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from f7tfs.cluster.join_script import Joined, appending, joining, known_by
from f7tfs.cluster.model import Kind, Stat
from f7tfs.cluster.script_jobs import batch_script

OLD, PIECES = b"old content\n", {"p0": b"new\n", "p1": b"newer\n"}
WHOLE = OLD + b"".join(PIECES.values())


class Place:
    """A target with an odd name, and a directory with pieces beside it."""

    def __init__(self, base: Path) -> None:
        self.directory = base / "pieces"
        self.directory.mkdir()
        self.target = base / "it's & $HOME"
        self.target.write_bytes(OLD)
        self.target.chmod(0o640)
        for name, data in PIECES.items():
            (self.directory / name).write_bytes(data)

    def joined(self, content: bytes) -> Joined:
        return Joined(str(self.target), len(content), hashlib.sha256(content).hexdigest())

    def appending(self, content: bytes = WHOLE) -> str:
        found = self.target.stat()
        before = known_by(
            Stat(Kind.FILE, 0o640, found.st_ino, 1, 0, 0, found.st_size, 0, int(found.st_mtime), int(found.st_ctime))
        )
        return self.script(appending(list(PIECES), self.joined(content), before))

    def joining(self, joined: Joined) -> str:
        return self.script(joining(list(PIECES), joined))

    def script(self, commands: list[str]) -> str:
        return batch_script([], str(self.directory), commands)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    @property
    def done(self) -> bool:
        return (self.directory / "done").exists()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_pieces_become_a_file(place: Place) -> None:
    content = b"".join(PIECES.values())
    assert place.run(place.joining(place.joined(content))).returncode == 0
    assert (place.target.read_bytes(), place.done) == (content, True)


def test_the_file_of_pieces_gets_the_mode_that_is_asked_for(place: Place) -> None:
    content = b"".join(PIECES.values())
    script = place.joining(replace(place.joined(content), mode=0o600))
    assert script.index("chmod 0600") < script.index("mv -fT")
    assert place.run(script).returncode == 0
    assert (place.target.read_bytes(), place.target.stat().st_mode & 0o777) == (content, 0o600)


def test_pieces_are_added_to_a_file_which_keeps_its_mode(place: Place) -> None:
    done = place.run(place.appending())
    assert (done.returncode, done.stderr) == (0, "")
    assert (place.target.read_bytes(), place.target.stat().st_mode & 0o777, place.done) == (WHOLE, 0o640, True)


def test_pieces_are_added_once_however_often_the_job_runs(place: Place) -> None:
    script = place.appending()
    for _ in range(3):
        (place.directory / "done").unlink(missing_ok=True)
        assert place.run(script).returncode == 0
        assert (place.target.read_bytes(), place.done) == (WHOLE, True)


def test_two_runs_at_the_same_time_add_the_pieces_once(place: Place) -> None:
    script = place.appending()
    runs = [subprocess.Popen(["bash", "-c", script], stderr=subprocess.DEVNULL) for _ in range(8)]
    assert 0 in [run.wait(60) for run in runs]
    assert (place.target.read_bytes(), place.done) == (WHOLE, True)


@pytest.mark.parametrize("change", ["longer", "same size", "gone", "symlink", "replaced"])
def test_a_file_that_was_changed_meanwhile_stays_as_it_is(place: Place, change: str) -> None:
    script = place.appending()
    match change:
        case "longer":
            place.target.write_bytes(OLD + b"by another")
        case "same size":
            # Within the same second, so that only the checksum tells.
            modified = place.target.stat().st_mtime
            place.target.write_bytes(OLD.upper())
            subprocess.run(["touch", "-d", f"@{modified}", str(place.target)], check=True)
        case "gone":
            place.target.unlink()
        case "symlink":
            place.target.rename(place.directory.parent / "there")
            place.target.symlink_to("there")
        case "replaced":
            other = place.directory.parent / "other"
            other.write_bytes(OLD.upper())
            other.rename(place.target)
    before = place.target.read_bytes() if place.target.exists() else None
    done = place.run(script)
    assert done.returncode == 1
    assert done.stderr in {"it was changed meanwhile\n", "wrong checksum\n"}
    assert (place.target.read_bytes() if place.target.exists() else None) == before
    assert not place.done


def test_a_piece_that_is_not_whole_changes_nothing(place: Place) -> None:
    script = place.appending()
    (place.directory / "p1").write_bytes(b"cut")
    assert place.run(script).stderr == "wrong size\n"
    assert (place.target.read_bytes(), place.done) == (OLD, False)
