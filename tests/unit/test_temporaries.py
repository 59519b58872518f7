"""Names of temporaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from f7tfs.vfs.temporaries import TEMPORARIES, is_temporary


@pytest.mark.parametrize(
    "name",
    [
        *(".run.sh.swp", ".x.swo", "4913", "paper.tex~", "#notes#", "sedAb3xYz", ".data.nc.a1B2c3", "index.lock"),
        *("tmp_obj_a1B2c3", "tmp_pack_XyZ123", "download.part"),
    ],
)
def test_names_that_tools_give_to_what_they_rename_at_once(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize("name", ["run.sh", ".bashrc", ".gitignore", "sediment", "4914", "lock", "results.nc", "~"])
def test_names_that_people_give(name: str) -> None:
    assert not is_temporary(name)


def test_the_reference_shows_this_table() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/temporaries.md").read_text()
    rows = [line.strip("| ").replace("\\|", "|") for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"`{pattern}` | {who}" for pattern, who in TEMPORARIES]
