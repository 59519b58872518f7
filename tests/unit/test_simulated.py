"""Programs in each other's way, in virtual time: all goes as on a local disk, and nothing is lost."""

from __future__ import annotations

import logging
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from f7tfs.vfs.options import WriteMode
from tests.unit.simulated.kernel import Kernel
from tests.unit.simulated.programs import Program
from tests.unit.simulated.world import Complaints, World, run

SEEDS = range(int(os.environ.get("F7TFS_SEEDS", "2")))
PROGRAMS, STEPS = 4, 150
SLOW = (0.02, 0.1, 0.3, 0.6)
"""Seconds that half a call takes at most."""
TROUBLE = re.compile("is not on the cluster yet|cannot be reached|is back")


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    handler, logger = Complaints(), logging.getLogger("f7tfs")
    logger.addHandler(handler)
    yield handler.told
    logger.removeHandler(handler)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("lives", "trouble"), [(1, 0.0), (3, 0.0), (3, 0.05)])
@pytest.mark.parametrize("mode", ["auto", "async"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_programs_at_the_same_few_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    complaints: list[str],
    version: str,
    mode: WriteMode,
    lives: int,
    trouble: float,
    seed: int,
) -> None:
    """The daemon has so many `lives`: it is killed while changes wait and are under way.

    `trouble`: this share of the changes is answered by an error, whether they are made or not.
    """
    world = World(tmp_path / "state", version, mode, seed, slow=SLOW[seed % len(SLOW)], trouble=trouble)

    async def use(kernel: Kernel) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(PROGRAMS):
                program = Program(kernel, 100 + number, random.Random(f"{seed} {number}"))
                nursery.start_soon(program.run, STEPS // lives)

    async def main() -> None:
        await world.mounted(*[use] * lives)

    run(monkeypatch, seed, main)
    assert sum(world.cluster.calls.values()) > 0
    assert not world.kernel.complaints, "\n".join([*world.kernel.history[-300:], *world.kernel.complaints])
    unexpected = [told for told in complaints if not (trouble and TROUBLE.search(told))]
    assert not unexpected, "\n".join(unexpected)
