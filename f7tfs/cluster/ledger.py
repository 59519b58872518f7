"""What has to be removed from the cluster is put down before it is made: a killed process removes nothing itself."""

from __future__ import annotations

from typing import Protocol


class Ledger(Protocol):
    """Outlives the process. What is noted in it and not struck off is removed by a later one."""

    async def note(self, *paths: str, rest: float = 0.0) -> None:
        """These are about to be made. A later process leaves them alone for `rest` seconds: the server needs them."""

    async def strike(self, *paths: str) -> None:
        """These are gone, or somebody else sees to it."""


class NoLedger:
    """For a process that nobody comes after."""

    async def note(self, *paths: str, rest: float = 0.0) -> None:
        """Nobody asks."""

    async def strike(self, *paths: str) -> None:
        """Nobody asks."""
