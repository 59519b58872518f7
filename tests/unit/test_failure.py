"""What stopped a mount, told in one line."""

from __future__ import annotations

import pytest

from f7tfs.cluster import errors
from f7tfs.config import ConfigError, MountSettings, TokenCommand
from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import one_line

SETTINGS = MountSettings("https://api.example.org", TokenCommand("get-token"), "daint", "/scratch/me")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            errors.Unauthorized("no such client"),
            "https://api.example.org does not accept the credentials: no such client",
        ),
        (errors.NoSuchSystem("no system 'x'; it has: a, b"), "https://api.example.org: no system 'x'; it has: a, b"),
        (errors.NotFound("whatever"), "daint:/scratch/me: no such directory on the cluster"),
        (errors.NotADirectory("whatever"), "daint:/scratch/me: not a directory"),
        (errors.PermissionDenied("no"), "daint:/scratch/me: permission denied by the cluster: no"),
        (errors.TimedOut("no answer"), "cannot reach https://api.example.org: no answer"),
        (errors.RemoteFailure("two\nlines"), "daint:/scratch/me: two lines"),
        (MountError("as it is"), "as it is"),
        (ConfigError("as it is"), "as it is"),
    ],
)
def test_an_error_is_told_in_one_line_alone_and_in_groups(error: Exception, line: str) -> None:
    assert one_line(error, SETTINGS) == line
    grouped = ExceptionGroup("outer", [ExceptionGroup("inner", [error]), ValueError("beside it")])
    assert one_line(grouped, SETTINGS) == line


def test_every_error_of_the_cluster_has_a_line() -> None:
    def below(kind: type[errors.ClusterError]) -> list[type[errors.ClusterError]]:
        return [kind, *(deeper for each in kind.__subclasses__() for deeper in below(each))]

    for kind in below(errors.ClusterError):
        assert one_line(kind("it went wrong"), SETTINGS)


def test_a_refusal_by_the_kernel_is_told() -> None:
    assert "kernel refused" in (one_line(RuntimeError("fuse_session_mount failed"), SETTINGS) or "")


def test_a_defect_has_no_line() -> None:
    assert one_line(RuntimeError("a defect"), SETTINGS) is None
    assert one_line(BaseExceptionGroup("", [KeyboardInterrupt()]), SETTINGS) is None


def test_secrets_are_taken_out() -> None:
    error = errors.Unavailable("GET https://s3/b?X-Amz-Signature=5f3a failed")
    assert "5f3a" not in (one_line(error, SETTINGS) or "")
