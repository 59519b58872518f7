"""The official client, its asynchronous form driven as the other: one test for both."""

from __future__ import annotations

import ast
import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from f7tfs.sandbox.process import SandboxProcess

FORMS = ("sync", "async")
PATIENCE = 120.0


class Driven:
    """An object of the client; what it gives is waited for, and driven likewise where it is one of the client's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: Any) -> None:
        self._loop = loop
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return self._wrapped(self._waited(found))

        def call(*arguments: Any, **named: Any) -> Any:
            return self._wrapped(self._waited(found(*arguments, **named)))

        return call

    def _waited(self, value: Any) -> Any:
        return self._loop.run_until_complete(_await(value)) if inspect.isawaitable(value) else value

    def _wrapped(self, value: Any) -> Any:
        ours = type(value).__module__.startswith("firecrest.") and "External" in type(value).__name__
        return Driven(self._loop, value) if ours else value


async def _await(value: Awaitable[Any]) -> Any:
    return await value


def until(wanted: Callable[[], bool]) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < give_up, "this did not come about"
        time.sleep(0.02)


def own_directory(test: str, server: SandboxProcess) -> Path:
    """A new directory of the cluster for one test, where it really is."""
    place = server.home / "".join(char if char.isalnum() else "-" for char in test)
    place.mkdir()
    return place


def on_cluster(server: SandboxProcess, place: Path, name: str = "") -> str:
    """Where that is on the cluster, or what is in it."""
    return f"{server.info.home}/{place.name}" + (f"/{name}" if name else "")


def public(kind: type) -> set[str]:
    """The names that a class offers."""
    return {name for name in dir(kind) if not name.startswith("_")}


def used(path: Path, wanted: Callable[[str], bool]) -> set[str]:
    """The attributes that a test module uses of the variables that are wanted."""
    tree = ast.parse(path.read_text())
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in found if isinstance(node.value, ast.Name) and wanted(node.value.id)}
