"""What stopped a mount, told in one line, and what to do in another."""

from __future__ import annotations

import pytest

from f7tfs.cluster import errors
from f7tfs.config import ConfigError, MountSettings, TokenCommand
from f7tfs.errors import UserError
from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import told

SETTINGS = MountSettings("https://api.example.org", TokenCommand("get-token"), "daint", "/scratch/me")


def line_of(failure: UserError | None) -> str:
    assert failure is not None
    assert failure.cure
    assert "\n" not in failure.cure
    return str(failure)


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
    assert line_of(told(error, SETTINGS)) == line
    grouped = ExceptionGroup("outer", [ExceptionGroup("inner", [error]), ValueError("beside it")])
    assert line_of(told(grouped, SETTINGS)) == line


def test_every_error_of_the_cluster_has_a_line() -> None:
    def below(kind: type[errors.ClusterError]) -> list[type[errors.ClusterError]]:
        return [kind, *(deeper for each in kind.__subclasses__() for deeper in below(each))]

    for kind in below(errors.ClusterError):
        assert line_of(told(kind("it went wrong"), SETTINGS))


def test_a_refusal_by_the_kernel_is_told() -> None:
    assert "kernel refused" in line_of(told(RuntimeError("fuse_session_mount failed"), SETTINGS))


def test_a_defect_has_no_line() -> None:
    assert told(RuntimeError("a defect"), SETTINGS) is None
    assert told(BaseExceptionGroup("", [KeyboardInterrupt()]), SETTINGS) is None


def test_secrets_are_taken_out() -> None:
    error = errors.Unavailable("GET https://s3/b?X-Amz-Signature=5f3a failed")
    assert "5f3a" not in line_of(told(error, SETTINGS))
