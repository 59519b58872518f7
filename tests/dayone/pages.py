"""Pages of the documentation whose commands are run: what they print must be what the page says.

They are blocks of the kind `console`: a command after `$ `, its further lines after `> `, and what it prints.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.dayone.conftest import PATIENCE, User
from tests.namespaces import alone

DOCS = Path(__file__).parents[2] / "docs"


@dataclass
class Step:
    """A command of the page, and the lines that it is said to print."""

    block: int
    command: str
    printed: list[str] = field(default_factory=list)


def steps(page: str) -> list[Step]:
    found: list[Step] = []
    text = (DOCS / page).read_text(encoding="utf-8")
    for number, block in enumerate(re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(number, line[2:]))
            elif line.startswith(">"):
                found[-1].command += "\n" + line[2:]
            else:
                found[-1].printed.append(line)
    return found


def pattern_of(lines: list[str]) -> re.Pattern[str]:
    """A line of only an ellipsis stands for any lines, an ellipsis in a line for any text."""
    parts = ["(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n" for line in lines]
    return re.compile("".join(parts))


def script_of(all_steps: list[Step], before: Mapping[int, str]) -> str:
    """What runs the steps; `before`: shell that is run before a block, and is not on the page."""
    lines: list[str] = []
    block = -1
    for number, step in enumerate(all_steps):
        if step.block != block:
            block = step.block
            lines.append(before.get(block, ""))
        lines += [f"echo '@@@ {number}'", step.command, 'test $? = 0 || { echo "@@@ failed"; exit 1; }']
    return "\n".join(lines)


def run_page(
    page: str, user: User, *, first: str = "", last: str = "", at_exit: str, before: Mapping[int, str] | None = None
) -> None:
    """Run all commands of a page in the user's home, in one shell, in a mount namespace of its own."""
    all_steps = steps(page)
    assert all_steps, f"{page} has no commands"
    trap = f"trap {shlex.quote(at_exit)} EXIT"
    programs = Path(sys.executable).parent
    # The tests may be run by make, and a page runs it too.
    environment = {name: value for name, value in user.env().items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        alone("\n".join([trap, first, script_of(all_steps, before or {}), "echo '@@@ end'", last])),
        env={**environment, "PATH": f"{programs}:{environment['PATH']}", "LC_ALL": "C.UTF-8"},
        cwd=user.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    outputs = re.split(r"^@@@ (?:\d+|end)\n", done.stdout, flags=re.MULTILINE)[1:]
    for step, output in zip(all_steps, outputs, strict=False):
        assert "@@@ failed" not in output, f"{step.command}: {output}{done.stderr}"
        assert pattern_of(step.printed).fullmatch(output), f"{step.command} printed:\n{output}"
    assert len(outputs) == len(all_steps) + 1, done.stderr
    assert done.returncode == 0, done.stderr
