"""The how-to pages, from their own text: every command is run at a sandbox, and prints what the page says."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import User, log_in
from tests.dayone.pages import DOCS, run_page

Prepare = Callable[[Path, Path], None]
"""Makes what the page takes for granted: in the home here, and in the directory on the cluster."""


@dataclass(frozen=True)
class Page:
    prepare: Prepare
    arrived: Mapping[str, Callable[[bytes], bool]] = field(default_factory=dict)
    """What is on the cluster afterwards, and whether it is as it should be."""
    away: tuple[int, int] | None = None
    """The cluster is away from before one block of commands until another."""
    options: str = ""
    long: bool = False


def small_files(top: Path) -> None:
    for number in range(20):
        (top / f"part{number % 4}").mkdir(parents=True, exist_ok=True)
        (top / f"part{number % 4}" / f"file{number}").write_text(f"hay {number}\n" if number else "needle\n")
        # What was changed within the last two seconds may change again without a trace, and is not kept.
        os.utime(top / f"part{number % 4}" / f"file{number}", (1_600_000_000, 1_600_000_000))


def a_repository(home: Path, there: Path) -> None:
    """`https://example.org/code` is a repository in the home."""
    del there
    served = home / "served"
    small_files(served)
    script = f"""
    git config --global user.name me; git config --global user.email me@example.org
    git config --global url.file://{served}.insteadOf https://example.org/code
    git -C {served} init --quiet && git -C {served} add . && git -C {served} commit --quiet -m first
    """
    subprocess.run(["bash", "-euc", script], env={**os.environ, "HOME": str(home)}, check=True)


def a_project_with_a_plot(home: Path, there: Path) -> None:
    del home
    project = there / "project"
    project.mkdir()
    (project / "input.dat").write_text("1\n2\n")
    (project / "run.sh").write_text("#!/bin/bash\nsed 's/$/,x/' input.dat > results.csv\n")
    (project / "plot.py").write_text(
        "import pathlib, sys\nrows = pathlib.Path(sys.argv[1]).read_text().count('x')\n"
        "pathlib.Path(sys.argv[2]).write_text(f'<svg>{rows}</svg>')\n"
    )


def large_data(home: Path, there: Path) -> None:
    (home / "big.h5").write_bytes(random.Random(5).randbytes(8 * 2**20))
    small_files(there / "run1")


def a_paper(home: Path, there: Path) -> None:
    del home
    paper = there / "paper"
    paper.mkdir()
    for name, text in (("draft.tex", "\\begin{document}\n\\end{document}\n"), ("notes", "more text\n")):
        (paper / name).write_text(text)
        os.utime(paper / name, (1_600_000_000, 1_600_000_000))


PAGES = {
    "rsync": Page(lambda home, _: small_files(home / "data"), {"data/part1/file1": lambda had: had == b"hay 1\n"}),
    "git": Page(
        a_repository,
        {"code/part2/file2": lambda had: had == b"hay 2\n", "code.git/HEAD": lambda had: had.startswith(b"ref: ")},
    ),
    "make-with-jobs": Page(a_project_with_a_plot, {"project/plot.svg": lambda had: had == b"<svg>2</svg>"}),
    "many-small-files": Page(
        lambda home, _: small_files(home / "project"), {"project/part3/file3": lambda had: had == b"hay 3\n"}
    ),
    "large-files": Page(
        large_data,
        {"big.h5": lambda had: len(had) == 8 * 2**20, "run2/part1/file5": lambda had: had == b"hay 5\n"},
        long=True,
    ),
    "offline": Page(
        a_paper, {"paper/notes": lambda had: had == b"more text\nless text\n"}, (1, 2), "deadline=3", long=True
    ),
    "monitoring": Page(lambda _, there: small_files(there)),
}
ELSEWHERE = {
    "another-site": "it is about sites that the sandbox is not",
    "csc": "a site that the sandbox is not",
    "cscs": "a site that the sandbox is not",
    "editors": "programs with windows; vim and nano are in tests/mounted/test_programs.py",
    "with-the-machine": "root's commands: test_mounts.py, test_services.py and test_autofs.py",
}


def test_every_page_is_run_or_it_is_said_why_not() -> None:
    assert PAGES.keys() | ELSEWHERE.keys() == {page.stem for page in (DOCS / "how-to").iterdir()}


def set_faults(sandbox: SandboxProcess, faults: str) -> str:
    """Shell that sets the sandbox's faults."""
    program = f"""
import urllib.request as r
headers = {{"Authorization": "Bearer {sandbox.info.admin_token}"}}
r.urlopen(r.Request("{sandbox.info.admin_url}/faults", b'{faults}', headers, method="PUT")).close()
"""
    return shlex.join([sys.executable, "-c", program])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if page.long else []) for name, page in PAGES.items()]
)
def test_the_commands_of_a_page_do_what_it_says(user: User, sandbox: SandboxProcess, name: str) -> None:
    page = PAGES[name]
    there = sandbox.home / f"page-{name}-{os.getpid()}"
    there.mkdir()
    page.prepare(user.home, there)
    log_in(user, sandbox, "daint", "--path", f"{sandbox.info.home}/{there.name}")
    before = {}
    if page.away:
        gone, back = page.away
        gone_faults = '{"rules": [{"match": "", "drop": "before", "count": null}]}'
        before = {gone: set_faults(sandbox, gone_faults), back: set_faults(sandbox, "{}")}
    options = f"-o {page.options}" if page.options else ""
    run_page(
        f"how-to/{name}.md",
        user,
        first=f"mkdir ~/daint && f7tfs mount daint ~/daint {options} || exit 1",
        last="cd; f7tfs umount ~/daint",
        before=before,
        at_exit="cd; mountpoint -q daint && f7tfs umount --wait 5 ~/daint",
    )
    for path, is_right in page.arrived.items():
        assert is_right((there / path).read_bytes()), path
