"""A module imports only from layers below its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import f7tfs

PACKAGE = Path(f7tfs.__file__).parent

# What each layer may import of f7tfs, besides itself. The sandbox stands apart: it shares nothing with the client.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "firecrest": set(),
    "sandbox": set(),
    "log": set(),
    "config": {"errors"},
    "cluster": {"firecrest"},
    "vfs": {"cluster"},
    "fuse": {"vfs", "cluster"},
    "mount": {"fuse", "vfs", "cluster", "firecrest", "config", "log", "errors"},
    "cli": {"mount", "sandbox", "cluster", "firecrest", "config", "log", "errors"},
    "__main__": {"cli"},
    "__init__": set(),
}
# Names of f7tfs that are not layers: the version.
NOT_LAYERS = {"__version__"}
# Only these layers may know these libraries.
LIBRARY_HOMES: dict[str, set[str]] = {
    "pyfuse3": {"fuse", "mount"},
    "httpx": {"firecrest", "cli", "mount"},
    "urllib3": {"firecrest"},
    "typer": {"cli"},
    "starlette": {"sandbox"},
    "moto": {"sandbox"},
}


def layer_of(module: Path) -> str:
    parts = module.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def imports_of(module: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_there_are_modules_to_check() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_below(module: Path) -> None:
    layer = layer_of(module)
    for name in imports_of(module):
        top, _, rest = name.partition(".")
        if top == "f7tfs" and rest:
            other = rest.split(".")[0]
            if other not in NOT_LAYERS:
                assert other == layer or other in ALLOWED[layer], f"{layer} imports {name}"
        elif top in LIBRARY_HOMES:
            assert layer in LIBRARY_HOMES[top], f"{layer} imports {top}"


# Where an error in a task is meant for whoever opened its nursery; all other tasks of a mount are begun by `go_on`.
BEGIN_TASKS = {"vfs/going_on.py", "vfs/direct.py", "mount/control.py", "fuse/serve.py"}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_no_task_can_end_the_mount(module: Path) -> None:
    names = [node.attr for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Attribute)]
    if layer_of(module) in {"vfs", "fuse", "mount"} and str(module.relative_to(PACKAGE)) not in BEGIN_TASKS:
        assert "start_soon" not in names, "a defect in such a task ends the mount: use f7tfs.vfs.going_on"
