"""What is written on the command line for what is to be mounted."""

from __future__ import annotations

import pytest

from f7tfs.mount.errors import MountError
from f7tfs.mount.target import Target, parse_target


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("daint:/scratch/me", Target(system="daint", path="/scratch/me")),
        ("daint:", Target(system="daint", path=None)),
        ("daint:/", Target(system="daint", path="/")),
        (":/scratch", Target(path="/scratch")),
        (":", Target()),
        ("daint", Target(profile="daint")),
        ("daint:/a//b/./c/", Target(system="daint", path="/a/b/c")),
        ("daint://a/../b", Target(system="daint", path="/b")),
        ("daint:/..", Target(system="daint", path="/")),
        ("daint:/with space/and:colon", Target(system="daint", path="/with space/and:colon")),
    ],
)
def test_a_target(text: str, wanted: Target) -> None:
    assert parse_target(text) == wanted


@pytest.mark.parametrize("text", ["", "daint:scratch", "daint:~/x", "./a:b", "/local/path", "a b:/x", "daint:/a\nb"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(MountError):
        parse_target(text)
