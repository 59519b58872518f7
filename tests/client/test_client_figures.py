"""Our client asks the server no more often than the official one, whatever the task."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/bench_clients.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_clients", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_clients"] = module
    spec.loader.exec_module(module)
    return module


# The official client leaves sessions open, and calls what is deprecated in its libraries.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_no_task_takes_more_requests_than_with_the_official_client(bench: ModuleType) -> None:
    # How often one asks for what takes time depends on the machine's load: the fewest of three times counts.
    rows = bench.measure(repeats=3)
    assert len(rows) == 10
    fewest = {row.task.name: {name: min(counts) for name, counts in row.requests.items()} for row in rows}
    assert {task: n for task, n in fewest.items() if n["f7tfs"] > n["pyfirecrest"]} == {}
    assert all(n["f7tfs"] > 0 for n in fewest.values())


def test_the_figures_in_the_documentation_are_of_these_tasks(bench: ModuleType) -> None:
    text = bench.TARGET.read_text()
    assert all(f"| v{task.version} | {task.name} |" in text for task in bench.TASKS)
