"""What stopped a mount, told in one line, and what to do in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from f7tfs.cluster import errors
from f7tfs.config import ConfigError, MountSettings, TokenCommand
from f7tfs.errors import UserError
from f7tfs.firecrest.errors import ClientsCredentialsException
from f7tfs.firecrest.reply import Reply
from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import told

SETTINGS = MountSettings("https://api.example.org", TokenCommand("get-token"), "daint", "/scratch/me")


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's profiles: none yet."""
    monkeypatch.setenv("F7TFS_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


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
        (
            errors.NoSuchSystem("it has: a"),
            "https://api.example.org: it has: a; there is no profile 'daint' either",
        ),
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


def test_a_name_that_is_no_system_may_have_been_meant_as_a_profile(config: Path) -> None:
    none = told(errors.NoSuchSystem("no system"), SETTINGS)
    assert none is not None
    assert none.cure == "write one of its systems, as SYSTEM:/path; f7tfs login makes a profile"
    config.write_text("[profiles.there]\n[profiles.here]\n")
    others = told(errors.NoSuchSystem("no system"), SETTINGS)
    assert others is not None
    assert "no profile 'daint'" in str(others)
    assert others.cure.endswith("or a profile: here, there")
    config.write_text("[profiles.daint]\n")
    assert "there is a profile 'daint'" in line_of(told(errors.NoSuchSystem("no system"), SETTINGS))


def test_who_refused_the_credentials_is_named() -> None:
    asked = Reply(401, {}, "no such client", "POST https://id.example.org/token")
    refused = errors.Unauthorized("no such client")
    refused.__cause__ = ClientsCredentialsException([asked])
    assert line_of(told(refused, SETTINGS)).startswith("the identity provider https://id.example.org/token does not")


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
