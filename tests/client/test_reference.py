"""The table of capabilities names tests that exist, and all that the clients can do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from f7tfs.firecrest import errors, v1, v2

HERE = Path(__file__).parent
REFERENCE = (HERE.parents[1] / "docs/reference/client.md").read_text()
ROWS = [line for line in REFERENCE.splitlines() if "`test_" in line]
TESTS = sorted(set(re.findall(r"`(test_\w+)::(test_\w+)`", "\n".join(ROWS))))


def test_there_is_a_table() -> None:
    assert len(ROWS) > 30
    assert all(row.count("|") == 5 for row in ROWS)


@pytest.mark.parametrize(("module", "name"), TESTS)
def test_each_named_test_exists(module: str, name: str) -> None:
    tree = ast.parse((HERE / f"{module}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("client", [v1.Firecrest, v2.Firecrest], ids=["v1", "v2"])
def test_each_method_is_in_the_table(client: type) -> None:
    methods = {name for name in vars(client) if not name.startswith("_")}
    named = set(re.findall(r"`(\w+)(?:\(blocking=False\))?`", "\n".join(row.split("|")[1] for row in ROWS)))
    assert methods - named == set()


@pytest.mark.parametrize(("version", "client"), [("v1", v1.Firecrest), ("v2", v2.Firecrest)])
def test_the_tests_named_use_the_capability(version: str, client: type) -> None:
    text = (HERE / f"test_capabilities_{version}.py").read_text()
    for name in vars(client):
        if not name.startswith("_"):
            assert f"client.{name}(" in text, name


def test_each_error_is_in_the_reference() -> None:
    kinds = [n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.FirecrestException)]
    assert len(kinds) > 10
    assert all(kind in REFERENCE for kind in kinds)
