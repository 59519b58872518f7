"""A site's rate limit, as its headers tell it: the clients keep to it, and come back when they are refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import trio
import trio.testing

import f7tfs.firecrest as f7t
from f7tfs.sandbox.process import SandboxProcess

VERSIONS = ("v1", "v2")


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(sandbox: SandboxProcess, version: str) -> Iterator[Any]:
    module = getattr(f7t, version)
    with module.Firecrest(url_of(sandbox, version), f7t.StaticToken(sandbox.token())) as client:
        yield client


def url_of(sandbox: SandboxProcess, version: str) -> str:
    return str(getattr(sandbox.info, f"url_{version}"))


def use_up(sandbox: SandboxProcess) -> tuple[float, float]:
    """Let another program of the user call until it is refused; when it asked, and how long it is told to wait."""
    while True:
        asked = time.monotonic()
        response = httpx.get(f"{sandbox.info.url_v2}/status/systems", timeout=60)
        if response.status_code == 429:
            return asked, float(response.headers["retry-after"])


def test_a_client_that_sees_the_limit_is_never_refused(sandbox: SandboxProcess, client: Any) -> None:
    sandbox.faults(rate_limit=3, rate_seconds=1.5)
    for _ in range(7):
        client.stat("cluster", sandbox.info.home)
    # The limiter waited for the next period each time that none was left: no call was sent twice.
    assert sum(sandbox.calls().values()) == 7


def test_a_refused_call_comes_back_when_it_was_told_to(sandbox: SandboxProcess, client: Any) -> None:
    sandbox.faults(rate_limit=2, rate_seconds=3)
    asked, told = use_up(sandbox)
    sandbox.reset_calls()
    client.stat("cluster", sandbox.info.home)
    # What is told is rounded up to whole seconds.
    assert time.monotonic() - asked > told - 1
    assert sum(sandbox.calls().values()) <= 2


def test_a_change_is_repeated_too_for_it_was_not_made(sandbox: SandboxProcess, client: Any, version: str) -> None:
    sandbox.faults(rate_limit=1, rate_seconds=2)
    use_up(sandbox)
    client.mkdir("cluster", f"{sandbox.info.home}/made-{version}")
    assert (sandbox.home / f"made-{version}").is_dir()


def test_what_is_refused_for_too_long_is_told(sandbox: SandboxProcess, version: str) -> None:
    sandbox.faults(rate_limit=1, rate_seconds=3600)
    use_up(sandbox)
    sandbox.reset_calls()
    options = f7t.Options(retry=f7t.RetryPolicy(total=5))
    kind = getattr(f7t, version).Firecrest
    with (
        kind(url_of(sandbox, version), f7t.StaticToken(sandbox.token()), options=options) as client,
        pytest.raises(f7t.UnexpectedStatusException) as raised,
    ):
        client.stat("cluster", sandbox.info.home)
    refused = raised.value.responses[-1]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 3000
    assert refused.headers["ratelimit-remaining"] == "0"
    assert sum(sandbox.calls().values()) == 1


def test_all_who_call_at_once_get_through(sandbox: SandboxProcess, client: Any) -> None:
    sandbox.faults(rate_limit=5, rate_seconds=1)
    with ThreadPoolExecutor(15) as pool:
        modes = list(pool.map(lambda _: client.stat("cluster", sandbox.info.home)["mode"], range(15)))
    assert len(set(modes)) == 1
    # Eight at most are under way at once: some are refused in each period, and each comes back once it is over.
    assert sum(sandbox.calls().values()) < 60


def test_the_last_calls_of_a_period_are_for_who_waits(sandbox: SandboxProcess, version: str) -> None:
    sandbox.faults(rate_limit=6, rate_seconds=3600)

    async def main() -> list[str]:
        done = []
        kind = getattr(f7t, version).AsyncFirecrest
        async with kind(url_of(sandbox, version), f7t.StaticToken(sandbox.token())) as client:

            async def look(lane: str) -> None:
                await client.stat("cluster", sandbox.info.home)
                done.append(lane)

            with trio.fail_after(120):
                await look("first")
                async with trio.open_nursery() as nursery:
                    with f7t.background():
                        nursery.start_soon(look, "background")
                    await trio.testing.wait_all_tasks_blocked()
                    await look("foreground")
                    nursery.cancel_scope.cancel()
        return done

    assert trio.run(main) == ["first", "foreground"]
