"""This client and the official one, blocking and asynchronous, called in one way; their answers made comparable."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import firecrest

import f7tfs.firecrest as f7t
from f7tfs.firecrest.portal import portal
from f7tfs.sandbox.process import SandboxProcess

DRIVERS = ("f7tfs", "f7tfs for trio", "pyfirecrest", "pyfirecrest for asyncio")
Wait = Callable[[Awaitable[Any]], Any]


class Caller:
    """An object whose asynchronous methods and properties are waited for, as are those of what it returns."""

    def __init__(self, target: Any, wait: Wait) -> None:
        self._target = target
        self._wait = wait

    def __getattr__(self, name: str) -> Any:
        return self._plain(getattr(self._target, name))

    def _plain(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            value = self._wait(value)
        if inspect.isroutine(value):
            return lambda *args, **kwargs: self._plain(value(*args, **kwargs))
        if type(value).__module__.partition(".")[0] in {"f7tfs", "firecrest"}:
            return Caller(value, self._wait)
        return value


@contextlib.contextmanager
def caller(driver: str, version: str, url: str, authorization: Any) -> Iterator[Caller]:
    """A client of one of `DRIVERS`, of version v1 or v2."""
    module: Any = getattr(f7t if driver.startswith("f7tfs") else firecrest, version)
    waits = [0.05] * 1200
    if driver == "f7tfs":
        with module.Firecrest(url, authorization) as client:
            client.polling_sleep_times = waits
            yield Caller(client, _never)
    elif driver == "f7tfs for trio":
        original = portal().run(_made(module.AsyncFirecrest, url, authorization))
        original.polling_sleep_times = waits
        yield Caller(original, lambda awaitable: portal().run(lambda: awaitable))
        portal().run(original.close_session)
    elif driver == "pyfirecrest":
        client = module.Firecrest(url, authorization)
        client.polling_sleep_times = waits
        yield Caller(client, _never)
        client._session.close()
    else:
        with asyncio.Runner() as runner:
            client = module.AsyncFirecrest(url, authorization)
            client.polling_sleep_times = waits
            if version == "v1":
                # Seconds that it leaves between its calls, so as not to run into a site's limit of them.
                client.time_between_calls = dict.fromkeys(client.time_between_calls, 0)
            yield Caller(client, lambda awaitable: runner.run(_awaited(awaitable), context=copy_context()))
            runner.run(client.close_session())


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _never(_: Awaitable[Any]) -> Any:
    raise AssertionError("a blocking client gave something to be waited for")


def _made(kind: Any, url: str, authorization: Any) -> Callable[[], Awaitable[Any]]:
    async def make() -> Any:
        return kind(url, authorization)

    return make


@dataclass(frozen=True)
class Place:
    """Where a case works: a directory on the cluster, the same on this machine, and another one here."""

    system: str
    far: str
    real: Path
    near: Path


def prepared(sandbox: SandboxProcess, near: Path, name: str) -> Place:
    """A place with files on both sides."""
    real = sandbox.home / name
    (real / "d" / "sub").mkdir(parents=True)
    (real / "d" / ".hidden").write_bytes(b"12345")
    (real / "text").write_text("".join(f"line {number}\n" for number in range(1, 21)))
    (real / "link").symlink_to("text")
    (real / "job.sh").write_text("#!/bin/bash\nexit 3\n")
    (real / "large").write_bytes(b"large " * 2**20)
    near.mkdir()
    (near / "small").write_bytes(b"small")
    (near / "large").write_bytes(b"large " * 2**20)
    (near / "job.sh").write_text("#!/bin/bash\nexit 3\n")
    return Place(sandbox.info.system, f"{sandbox.info.home}/{name}", real, near)


# What differs from one call to the next, whoever makes it.
_VOLATILE = re.compile(
    r"""(last_?modified|last_modify|[acm]time|created_at|updated_at|(latest|last)*(health)?check(ed)?|latency
    |(start|end|elapsed|cpu|termination)?_?time|start|end|elapsed|time_left|suspended|cpuload|free_?mem(ory)?
    |ino|priority|jobid|task_id|firecrest_taskid|hash_id|url|command|key|policy|x-amz-(credential|date|signature))""",
    re.IGNORECASE | re.VERBOSE,
)
_IDS = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|(?<=slurm-)\d+|(?<=job )\d+|(?<=job id )\d+")


def comparable(value: Any, place: Place) -> Any:
    """`value` without times, ids and the place's own names; of volatile members their type is left."""
    match value:
        case dict():
            return {
                comparable(key, place): type(member).__name__
                if _VOLATILE.fullmatch(str(key))
                else comparable(member, place)
                for key, member in value.items()
            }
        case list() | tuple():
            return [comparable(member, place) for member in value]
        case str():
            return _IDS.sub("ID", value.replace(place.far, "FAR").replace(str(place.near), "NEAR"))
        case Caller():
            return type(value._target).__name__.removeprefix("Async")
        case _:
            return value


def _member(key: Any, member: Any, place: Place) -> Any:
    return type(member).__name__ if _VOLATILE.fullmatch(str(key)) else comparable(member, place)


@dataclass(frozen=True)
class Failed:
    """How a call ended that raised: the names of the error's classes, and the status of the deciding response."""

    names: tuple[str, ...]
    status: int | None


def tried(call: Callable[[], Any]) -> Any:
    """What `call` gives, or how it failed."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - which one is what is compared
        responses = getattr(error, "responses", ())
        names = tuple(kind.__name__ for kind in type(error).__mro__)
        return Failed(names, responses[-1].status_code if responses else None)


def differences(ours: Any, theirs: Any, where: str = "answer") -> list[str]:
    """Where two answers are not the same. Of errors: who catches theirs has to catch ours, with the same status."""
    match ours, theirs:
        case Failed(), Failed():
            same = theirs.names[0] in ours.names and theirs.status in {ours.status, None}
        case dict(), dict():
            if ours.keys() == theirs.keys():
                return [line for key in ours for line in differences(ours[key], theirs[key], f"{where}.{key}")]
            same = False
        case list(), list():
            if len(ours) == len(theirs):
                pairs = enumerate(zip(ours, theirs, strict=True))
                return [line for n, pair in pairs for line in differences(*pair, f"{where}[{n}]")]
            same = False
        case _:
            same = ours == theirs
    return [] if same else [f"{where}: {ours!r} != {theirs!r}"]


Work = Callable[[Any, Place], Any]


class Cases:
    """What is done with all clients, by name."""

    def __init__(self) -> None:
        self.works: dict[str, Work] = {}

    def __call__(self, work: Work) -> Work:
        self.works[work.__name__] = work
        return work


class Token:
    """An authorization as both clients want it. (Their asyncio client takes a blocking one.)"""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_access_token(self) -> str:
        return self._token


def answers(sandbox: SandboxProcess, version: str, work: Work, near: Path) -> dict[str, Any]:
    """What comes of `work` with each client, in a place of its own."""
    found = {}
    token = Token(sandbox.token(seconds=3600))
    for number, driver in enumerate(DRIVERS):
        place = prepared(sandbox, near / str(number), f"{near.name}-{number}")
        with caller(driver, version, getattr(sandbox.info, f"url_{version}"), token) as client:
            found[driver] = comparable(tried(lambda: work(client, place)), place)  # noqa: B023 - called at once
    return found
