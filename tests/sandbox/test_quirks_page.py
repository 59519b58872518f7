"""The page of quirks names tests and recordings that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.sandbox.recordings import NOT_REPLAYED, recordings

PAGE = Path(__file__).parents[2] / "docs/reference/sandbox-quirks.md"


def rows(version: str) -> list[tuple[str, str]]:
    """Quirk, and what shows it."""
    section = PAGE.read_text().partition(f"## {version}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return [row for row in found if row[0] != "quirk"]


def names_of_tests() -> set[str]:
    """The names of all test functions of this directory."""
    trees = [ast.parse(path.read_text()) for path in Path(__file__).parent.glob("test_*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {node.name for node in nodes if node.name.startswith("test_")}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_every_quirk_names_what_shows_it(version: str) -> None:
    known = names_of_tests() | (recordings(version).keys() - NOT_REPLAYED[version].keys())
    found = rows(version)
    assert len(found) > 30
    shown = [(quirk, re.findall(r"`([^`]+)`", what)) for quirk, what in found if not what.startswith("– ")]
    assert [quirk for quirk, names in shown if not names] == []
    assert [name for _, names in shown for name in names if name not in known] == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_nothing_shows_has_a_reason(version: str) -> None:
    assert all(len(what) > 15 for _, what in rows(version) if what.startswith("– "))
