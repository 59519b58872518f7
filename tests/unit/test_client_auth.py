"""Access tokens: when they are fetched, kept, and thrown away."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import trio
import trio.lowlevel
import trio.testing

from f7tfs.firecrest.auth import (
    Authorization,
    ClientCredentials,
    StaticToken,
    SyncAuthorization,
    TokenCommand,
    expiry_of,
)
from f7tfs.firecrest.errors import ClientsCredentialsException, ConnectionFailed


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """An identity provider that numbers its tokens."""

    def __init__(self, lifetime: float = 300, answer: Callable[[int], httpx.Response] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._lifetime = lifetime
        self._answer = answer

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        if self._answer:
            return self._answer(len(self.requests))
        return httpx.Response(200, json={"access_token": f"t{len(self.requests)}", "expires_in": self._lifetime})


def credentials(provider: Provider, clock: Clock, **options: Any) -> ClientCredentials:
    transport = httpx.MockTransport(provider)
    return ClientCredentials("me", "s3cret", "https://idp.test/token", transport=transport, clock=clock, **options)


def jwt(expiry: float) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expiry}).encode()).decode().rstrip("=")
    return f"h.{payload}.s"


def run(call: Callable[..., Any], *arguments: Any, mock_clock: bool = False) -> Any:
    clock = trio.testing.MockClock(autojump_threshold=0) if mock_clock else None
    return trio.run(call, *arguments, clock=clock)


def test_a_token_is_kept_until_a_minute_before_its_end() -> None:
    provider, clock = Provider(), Clock()
    auth = credentials(provider, clock)
    assert run(auth.get_access_token) == "t1"
    clock.now += 239
    assert run(auth.get_access_token) == "t1"
    clock.now += 1
    assert run(auth.get_access_token) == "t2"


def test_a_short_token_is_not_fetched_for_each_call() -> None:
    provider, clock = Provider(lifetime=60), Clock()
    auth = credentials(provider, clock)
    assert [run(auth.get_access_token) for _ in range(3)] == ["t1"] * 3
    clock.now += 31
    assert run(auth.get_access_token) == "t2"


def test_callers_at_the_same_time_share_one_request() -> None:
    provider = Provider()
    auth = credentials(provider, Clock())
    tokens: list[str] = []

    async def ask() -> None:
        tokens.append(await auth.get_access_token())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)

    run(main)
    assert tokens == ["t1"] * 20
    assert len(provider.requests) == 1


def test_a_rejected_token_is_not_given_again_but_a_newer_one_is_kept() -> None:
    provider = Provider()
    auth = credentials(provider, Clock())
    assert run(auth.get_access_token) == "t1"
    auth.reject("t1")
    assert run(auth.get_access_token) == "t2"
    auth.reject("t1")
    assert run(auth.get_access_token) == "t2"


def test_the_secret_goes_into_the_form_or_into_the_header() -> None:
    posted, basic = Provider(), Provider()
    run(credentials(posted, Clock(), scope="openid").get_access_token)
    run(credentials(basic, Clock(), method="basic").get_access_token)
    form = parse_qs(posted.requests[0].content.decode())
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["me"],
        "client_secret": ["s3cret"],
        "scope": ["openid"],
    }
    assert b"s3cret" not in basic.requests[0].content
    assert basic.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:s3cret").decode()


def test_a_provider_that_falters_is_asked_again() -> None:
    def answer(number: int) -> httpx.Response:
        return (
            httpx.Response(503) if number < 3 else httpx.Response(200, json={"access_token": "t", "expires_in": 300})
        )

    provider = Provider(answer=answer)
    assert run(credentials(provider, Clock()).get_access_token, mock_clock=True) == "t"
    assert len(provider.requests) == 3


def test_a_refusal_is_final_and_told_without_the_secret() -> None:
    provider = Provider(answer=lambda _: httpx.Response(401, json={"error": "invalid_client"}))
    with pytest.raises(ClientsCredentialsException, match="invalid_client") as raised:
        run(credentials(provider, Clock()).get_access_token)
    assert len(provider.requests) == 1
    assert "s3cret" not in repr(raised.value.responses)


def test_a_provider_out_of_reach_is_a_failed_connection() -> None:
    def refuse(number: int) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(ConnectionFailed, match="identity provider"):
        run(credentials(Provider(answer=refuse), Clock()).get_access_token, mock_clock=True)


@pytest.mark.parametrize("body", ["<html>", '{"token": 1}', '{"access_token": ""}', "[]"])
def test_an_answer_without_a_token_is_refused(body: str) -> None:
    provider = Provider(answer=lambda _: httpx.Response(200, text=body))
    with pytest.raises(ClientsCredentialsException):
        run(credentials(provider, Clock()).get_access_token)


def test_a_token_command_runs_again_when_its_token_is_about_to_end(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "token").write_text(jwt(clock.now + 300))
    log = tmp_path / "log"
    auth = TokenCommand(f"echo ran >> {log}; cat {tmp_path}/token", clock)
    first = run(auth.get_access_token)
    clock.now += 239
    assert run(auth.get_access_token) == first
    (tmp_path / "token").write_text(jwt(clock.now + 900))
    clock.now += 1
    assert run(auth.get_access_token) != first
    assert log.read_text() == "ran\n" * 2


def test_a_token_command_that_fails_tells_what_it_said() -> None:
    with pytest.raises(ClientsCredentialsException, match=r"failed \(3\): no ticket"):
        run(TokenCommand("echo no ticket >&2; exit 3").get_access_token)
    with pytest.raises(ClientsCredentialsException, match="printed nothing"):
        run(TokenCommand("true").get_access_token)


def test_any_object_with_a_blocking_method_will_do() -> None:
    class Theirs:
        def get_access_token(self) -> str:
            return "theirs"

    assert run(SyncAuthorization(Theirs()).get_access_token) == "theirs"


@pytest.mark.parametrize(
    "auth",
    [StaticToken("s3cret"), ClientCredentials("me", "s3cret", "https://idp.test"), TokenCommand("echo s3cret")],
)
def test_no_secret_is_in_a_repr(auth: Authorization) -> None:
    assert "s3cret" not in repr(auth)


@pytest.mark.parametrize(
    ("token", "expiry"), [(jwt(12.5), 12.5), ("opaque", None), ("a.b.c", None), ("a.!!!.c", None), ("..", None)]
)
def test_the_end_of_a_jwt_is_read_without_trusting_it(token: str, expiry: float | None) -> None:
    assert expiry_of(token) == expiry
