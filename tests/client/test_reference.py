"""The table of capabilities names tests that exist, and all that the clients can do."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import firecrest
import pytest

from f7tfs.firecrest import errors, v1, v2
from tests.client import test_official_differences, test_official_signatures, test_official_v1, test_official_v2

HERE = Path(__file__).parent
REFERENCE = (HERE.parents[1] / "docs/reference/client.md").read_text()
TABLE = [line for line in REFERENCE.splitlines() if line.startswith("|") and "`test_" in line]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE]
TESTS = sorted(set(re.findall(r"`(test_\w+)::(test_\w+)`", REFERENCE)))
CLIENTS = {"v1": v1.Firecrest, "v2": v2.Firecrest}
OFFICIAL: dict[str, tuple[ModuleType, type]] = {
    "v1": (test_official_v1, firecrest.v1.Firecrest),
    "v2": (test_official_v2, firecrest.v2.Firecrest),
}
CASES = {version: module.case.works for version, (module, _) in OFFICIAL.items()}


def methods_of(client: type) -> set[str]:
    return {name for name, value in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}


def names_in(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)(?:\(blocking=False\))?`", cell))


def test_there_is_a_table() -> None:
    assert len(ROWS) > 35
    assert all(len(row) == 5 and all(row) for row in ROWS)


@pytest.mark.parametrize(("module", "name"), TESTS)
def test_each_named_test_exists(module: str, name: str) -> None:
    tree = ast.parse((HERE / f"{module}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("version", CLIENTS)
def test_each_case_that_is_named_exists(version: str) -> None:
    named = set(re.findall(rf"`test_official_{version}\[(\w+)\]`", REFERENCE))
    assert named
    assert named <= CASES[version].keys()


@pytest.mark.parametrize("version", CLIENTS)
def test_each_method_is_in_the_table(version: str) -> None:
    named = set.union(*(names_in(row[0]) for row in ROWS))
    assert methods_of(CLIENTS[version]) - named - {"set_api_version"} == set()


@pytest.mark.parametrize("version", CLIENTS)
def test_the_tests_named_use_the_capability(version: str) -> None:
    text = (HERE / f"test_capabilities_{version}.py").read_text() + (HERE / "test_blocking.py").read_text()
    text += (HERE / "test_parts.py").read_text()
    assert {name for name in methods_of(CLIENTS[version]) if f"client.{name}(" not in text} == set()


@pytest.mark.parametrize("version", OFFICIAL)
def test_each_method_is_tested_beside_the_official_one(version: str) -> None:
    apart = {name for row in ROWS if "::" in row[4] and "[" not in row[4] for name in names_in(row[0])}
    for name in (methods_of(OFFICIAL[version][1]) & methods_of(CLIENTS[version])) - apart - {"set_api_version"}:
        rows = [row for row in ROWS if name in names_in(row[0])]
        cases = [c for row in rows for c in re.findall(rf"`test_official_{version}\[(\w+)\]`", row[4])]
        assert any(f"c.{name}" in inspect.getsource(CASES[version][case]) for case in cases), name


def test_each_error_is_in_the_reference() -> None:
    kinds = [n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.FirecrestException)]
    assert len(kinds) > 10
    assert all(kind in REFERENCE for kind in kinds)


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    tree = inspect.getdoc(errors)
    assert tree is not None
    for line in tree.splitlines()[2:]:
        (name, *_) = re.findall(r"[A-Z]\w+", line)
        assert line.partition(name)[0] + name in REFERENCE, name


def test_each_difference_is_in_the_reference() -> None:
    left_out = test_official_signatures.LEFT_OUT
    inside = {name for name, reason in left_out.items() if "constant" in reason or "only object storage" in reason}
    assert {name for name in left_out.keys() - inside if f"`{name}" not in REFERENCE} == set()
    assert len(test_official_differences.HERE) <= REFERENCE.partition("### What differs")[2].count("\n| v")
