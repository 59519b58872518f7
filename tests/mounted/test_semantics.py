"""The examples of docs/semantics.md do what that page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, PATIENCE, Mount

pytestmark = pytest.mark.usefixtures("quiet_log")

PAGE = Path(__file__).parents[2] / "docs/semantics.md"
BLOCK = re.compile(r"^```console ?(v\d)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^(cluster)?\$ (.*)$")


@dataclass
class Step:
    """A command of an example, where it is run, and what it prints."""

    there: bool
    command: str
    output: str = ""


def steps(block: str) -> list[Step]:
    found: list[Step] = []
    for line in block.splitlines():
        if prompt := PROMPT.match(line):
            found.append(Step(bool(prompt[1]), prompt[2]))
        else:
            found[-1].output += f"{line}\n"
    return found


EXAMPLES = [(match[1], steps(match[2])) for match in BLOCK.finditer(PAGE.read_text())]


def test_there_are_examples_of_both_sides() -> None:
    assert len(EXAMPLES) >= 10
    assert {step.there for _, example in EXAMPLES for step in example} == {True, False}
    assert {version for version, _ in EXAMPLES} == {None, *APIS}


COMMON = [example for version, example in EXAMPLES if version is None]


@pytest.mark.parametrize("example", COMMON, ids=lambda example: example[0].command[:20])
def test_an_example_does_what_the_page_says(mount: Mount, example: list[Step]) -> None:
    done_as_shown(mount, example)


@pytest.mark.parametrize("api", APIS)
def test_the_examples_of_one_version_do_what_the_page_says(new_mount: Callable[..., Mount], api: str) -> None:
    examples = [example for version, example in EXAMPLES if version == api]
    assert examples
    mount: Mount = new_mount(api)
    mount.mount()
    for index, example in enumerate(examples):
        below = mount.path / f"example{index}"
        below.mkdir()
        done_as_shown(mount.inside(below), example)


def done_as_shown(mount: Mount, example: list[Step]) -> None:
    environment = {**mount.env(), "LC_ALL": "C.UTF-8", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for step in example:
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=mount.remote if step.there else mount.path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stdout == step.output, f"{step.command}\n{mount.log()[-2000:]}"
