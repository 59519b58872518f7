"""Tokens over HTTP: one refresh for all who call at once, one replay after a 401, a command that runs once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import f7tfs.firecrest as f7t
from f7tfs.sandbox.process import SandboxProcess

MANY = 24


def credentials(sandbox: SandboxProcess, method: str = "client_secret_post") -> f7t.ClientCredentialsAuth:
    info = sandbox.info
    return f7t.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url, client_auth_method=method)


def called(calls: dict[str, int], what: str) -> int:
    return sum(count for call, count in calls.items() if what in call)


@pytest.fixture(params=["v1", "v2"])
def make(request: pytest.FixtureRequest, sandbox: SandboxProcess) -> Callable[[Any], Any]:
    module = getattr(f7t, request.param)
    return lambda authorization: module.Firecrest(getattr(sandbox.info, f"url_{request.param}"), authorization)


def look(client: Any, home: str) -> int:
    return int(client.stat("cluster", home)["mode"])


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_all_who_call_at_once_share_a_token(sandbox: SandboxProcess, make: Callable[[Any], Any], method: str) -> None:
    with make(credentials(sandbox, method)) as client, ThreadPoolExecutor(MANY) as pool:
        assert len(set(pool.map(lambda _: look(client, sandbox.info.home), range(MANY)))) == 1
    calls = sandbox.calls()
    assert called(calls, "/auth/token") == 1
    assert called(calls, "stat") == MANY


def test_all_whose_token_was_refused_share_the_next_one(sandbox: SandboxProcess, make: Callable[[Any], Any]) -> None:
    with make(credentials(sandbox)) as client, ThreadPoolExecutor(MANY) as pool:
        look(client, sandbox.info.home)
        sandbox.expire_tokens()
        sandbox.reset_calls()
        assert len(set(pool.map(lambda _: look(client, sandbox.info.home), range(MANY)))) == 1
    calls = sandbox.calls()
    assert called(calls, "/auth/token") == 1
    assert MANY < called(calls, "stat") <= 2 * MANY  # each is sent once more, at most


def test_a_call_is_sent_twice_and_no_more_with_tokens_that_are_refused(
    sandbox: SandboxProcess, make: Callable[[Any], Any]
) -> None:
    class Stubborn:
        number = 0

        def get_access_token(self) -> str:
            self.number += 1
            return f"no token {self.number}"

    with make(Stubborn()) as client, pytest.raises(f7t.UnauthorizedException):
        look(client, sandbox.info.home)
    assert called(sandbox.calls(), "stat") == 2


def test_a_token_command_runs_once_while_its_jwt_is_good(
    sandbox: SandboxProcess, make: Callable[[Any], Any], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    command = f"echo run >> {runs}; echo {sandbox.token(seconds=3600)}"
    with make(f7t.TokenCommandAuth(command)) as client, ThreadPoolExecutor(MANY) as pool:
        list(pool.map(lambda _: look(client, sandbox.info.home), range(MANY)))
        look(client, sandbox.info.home)
    assert runs.read_text() == "run\n"


def test_a_token_command_that_gives_a_short_lived_token_runs_again(sandbox: SandboxProcess, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    authorization = f7t.TokenCommandAuth(f"echo run >> {runs}; echo {sandbox.token(seconds=0)}")
    authorization.get_access_token()
    authorization.get_access_token()
    assert runs.read_text() == "run\nrun\n"
    assert sandbox.token(seconds=0) not in repr(authorization)
