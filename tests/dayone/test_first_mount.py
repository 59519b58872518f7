"""The tutorial, from its own text: every command is run, and what it prints is what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.dayone.conftest import PATIENCE, User, alone

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-mount.md"


@dataclass
class Step:
    """A command of the page, and the lines that it is said to print."""

    command: str
    printed: list[str] = field(default_factory=list)


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line[2:]))
            elif line.startswith(">"):
                found[-1].command += "\n" + line[2:]
            else:
                found[-1].printed.append(line)
    return found


def pattern_of(lines: list[str]) -> re.Pattern[str]:
    """A line of only an ellipsis stands for any lines, an ellipsis in a line for any text."""
    parts = ["(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n" for line in lines]
    return re.compile("".join(parts))


def script_of(all_steps: list[Step]) -> str:
    lines = ['trap "f7tfs umount --wait 5 here 2>/dev/null; kill $(jobs -p) 2>/dev/null" EXIT']
    for number, step in enumerate(all_steps):
        lines += [f"echo '@@@ {number}'", step.command, 'test $? = 0 || { echo "@@@ failed"; exit 1; }']
    return "\n".join([*lines, "trap - EXIT", "wait"])


def test_the_tutorial_does_what_it_says(user: User) -> None:
    all_steps = steps(PAGE.read_text(encoding="utf-8"))
    assert len(all_steps) > 20
    programs = Path(sys.executable).parent
    done = subprocess.run(
        alone(script_of(all_steps)),
        env={**user.env(), "PATH": f"{programs}:{user.env()['PATH']}", "LC_ALL": "C.UTF-8"},
        cwd=user.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    outputs = re.split(r"^@@@ \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    for step, output in zip(all_steps, outputs, strict=False):
        assert "@@@ failed" not in output, f"{step.command}: {output}{done.stderr}"
        assert pattern_of(step.printed).fullmatch(output), f"{step.command} printed:\n{output}"
    assert len(outputs) == len(all_steps), done.stderr
    assert done.returncode == 0, done.stderr
