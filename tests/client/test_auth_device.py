"""Login in a browser (RFC 8628), against an identity provider that is made up here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from f7tfs.firecrest import ClientsCredentialsException, ConnectionFailed, DeviceFlow
from f7tfs.firecrest.device import DeviceLogin

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
START = 1_000_000.0


class Provider:
    """Answers the polls of one login by `replies`, the last of them for ever: an error code, or "" for a token."""

    def __init__(self, *replies: str, interval: float | None = 5, down: bool = False) -> None:
        self._replies = list(replies) or [""]
        self._interval = interval
        self._down = down
        self.refresh_tokens: set[str] = set()
        self.forms: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.logins = 0
        self.app = Starlette(
            routes=[
                Route("/device", self.device, methods=["POST"]),
                Route("/token", self.token, methods=["POST"]),
            ]
        )

    async def device(self, request: Request) -> Response:
        self.forms.append(dict(await request.form()))
        self.logins += 1
        if self._down:
            return Response("<h1>Bad gateway</h1>", 502)
        body = {
            "device_code": f"device-{self.logins}",
            "user_code": "ABCD-EFGH",
            "verification_uri": "https://idp.test/login",
            "verification_uri_complete": "https://idp.test/login?code=ABCD-EFGH",
            "expires_in": 60,
        }
        return JSONResponse(body if self._interval is None else {**body, "interval": self._interval})

    async def token(self, request: Request) -> Response:
        form = dict(await request.form())
        self.forms.append(form)
        self.times.append(trio.current_time())
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refresh_tokens:
                return JSONResponse({"error": "invalid_grant"}, 400)
            return self._issue()
        assert form["grant_type"] == GRANT
        assert form["device_code"] == f"device-{self.logins}"
        error = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return JSONResponse({"error": error}, 400) if error else self._issue()

    def _issue(self) -> Response:
        number = len(self.refresh_tokens) + 1
        self.refresh_tokens.add(f"refresh-{number}")
        tokens = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
        return JSONResponse({**tokens, "expires_in": 300, "token_type": "Bearer"})


class Store:
    """A keyring that is none."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.kept.get(name)

    def put(self, name: str, secret: str) -> None:
        self.kept[name] = secret

    def forget(self, name: str) -> None:
        self.kept.pop(name, None)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def flow(provider: Provider, shown: list[DeviceLogin] | None = None, **options: Any) -> DeviceFlow:
    return DeviceFlow(
        "my-client",
        "https://idp.test/device",
        "https://idp.test/token",
        show=(shown if shown is not None else []).append,
        transport=options.pop("transport", httpx.ASGITransport(provider.app)),
        **options,
    )


def run(call: Callable[..., Any], *arguments: Any) -> Any:
    return trio.run(call, *arguments, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_a_login_gives_a_token() -> None:
    provider, shown = Provider("authorization_pending", "authorization_pending", ""), list[DeviceLogin]()
    assert run(flow(provider, shown, scope="openid").get_access_token) == "access-1"
    (login,) = shown
    assert (login.url, login.code) == ("https://idp.test/login", "ABCD-EFGH")
    assert login.url_with_code.endswith("ABCD-EFGH")
    assert provider.forms[0] == {"client_id": "my-client", "scope": "openid"}
    assert [round(time - provider.times[0]) for time in provider.times] == [0, 5, 10]


def test_who_is_told_to_slow_down_does() -> None:
    provider = Provider("slow_down", "authorization_pending", "", interval=None)
    run(flow(provider).get_access_token)
    assert [round(time - provider.times[0]) for time in provider.times] == [0, 10, 20]


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_client"])
def test_a_refused_login_is_told(error: str) -> None:
    with pytest.raises(ClientsCredentialsException, match=error):
        run(flow(Provider("authorization_pending", error)).get_access_token)


def test_nobody_waits_for_ever() -> None:
    provider = Provider("authorization_pending")
    with pytest.raises(ClientsCredentialsException, match="in time"):
        run(flow(provider).get_access_token)
    assert len(provider.times) <= 12


def test_a_provider_that_is_away_is_told() -> None:
    with pytest.raises(ClientsCredentialsException, match="502"):
        run(flow(Provider(down=True)).get_access_token)

    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with pytest.raises(ConnectionFailed, match="no route"):
        run(flow(Provider(), transport=httpx.MockTransport(unreachable)).get_access_token)


def test_an_answer_that_is_none_is_told() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"unexpected": 1})

    transport = httpx.MockTransport(answer)
    with pytest.raises(ClientsCredentialsException, match="verification_uri"):
        run(flow(Provider(), transport=transport).get_access_token)


def test_a_refresh_token_spares_the_next_login() -> None:
    provider, clock = Provider(), Clock()
    device = flow(provider, clock=clock)

    async def use() -> None:
        assert await device.get_access_token() == "access-1"
        clock.now += 239
        assert await device.get_access_token() == "access-1"
        clock.now += 1
        assert await device.get_access_token() == "access-2"
        provider.refresh_tokens.remove("refresh-2")
        device.reject("access-2")
        assert await device.get_access_token() == "access-2"

    run(use)
    assert provider.logins == 2


def test_one_login_for_all_who_wait() -> None:
    provider = Provider("authorization_pending", "")
    device = flow(provider)
    got: list[str] = []

    async def ask() -> None:
        got.append(await device.get_access_token())

    async def use() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)

    run(use)
    assert got == ["access-1"] * 5
    assert provider.logins == 1


def test_a_login_lasts_from_one_program_to_the_next() -> None:
    provider, store = Provider(), Store()
    run(flow(provider, store=store).get_access_token)
    assert store.kept == {"my-client@https://idp.test/token": "refresh-1"}
    assert run(flow(provider, store=store).get_access_token) == "access-2"
    assert provider.logins == 1
    assert store.kept == {"my-client@https://idp.test/token": "refresh-2"}
    provider.refresh_tokens.clear()
    run(flow(provider, store=store).get_access_token)
    assert provider.logins == 2


def test_no_secret_is_shown() -> None:
    store = Store()
    device = flow(Provider(), store=store)
    token = run(device.get_access_token)
    assert token not in repr(device)
    assert "refresh-1" not in repr(device)


def test_a_new_login_of_another_process_is_taken_and_not_forgotten() -> None:
    provider, store = Provider(), Store()
    auth = flow(provider, store=store, clock=(clock := Clock()))
    run(auth.get_access_token)
    # `f7tfs login` in a terminal, while a mount has the old one.
    provider.refresh_tokens = {"of the new login"}
    store.put("my-client@https://idp.test/token", "of the new login")
    clock.now += 3600
    run(auth.get_access_token)
    assert provider.logins == 1
