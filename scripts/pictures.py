"""Make the pictures of docs/pictures: what commands show on a terminal, at a sandbox.

As root: `python -m scripts.pictures [DIRECTORY]`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from f7tfs.sandbox.process import SandboxProcess
from tests.namespaces import alone

TOP = Path(__file__).parent.parent
PICTURES = TOP / "docs" / "pictures"
HOME = Path("/home/me")
WIDTH = 104
HEIGHT = 24
LARGE = 300 * 2**20
"""More than goes in pieces: the delays of object storage leave time for a picture of it."""

JOB = """\
#!/bin/bash
echo "step 1 of 3"
sleep {seconds}
"""

Exchange = tuple[str, str]
"""What is waited for, and what is typed then."""


@dataclass(frozen=True)
class Studio:
    """A user's home, and where the pictures go."""

    home: Path
    env: dict[str, str]
    pictures: Path

    def run(self, command: str) -> None:
        """Something that is in no picture."""
        subprocess.run(
            ["bash", "-euc", command],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def shown(self, command: str, exchanges: Sequence[Exchange] = ()) -> str:
        """What a command of the shell shows on a terminal."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.home)
            os.execvpe("bash", ["bash", "-c", command], self.env)  # noqa: S606
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        text, seen, waiting = b"", 0, list(exchanges)
        # EIO: the other end was closed.
        with suppress(OSError):
            while piece := os.read(terminal, 65536):
                text += piece
                if waiting and (found := text.find(waiting[0][0].encode(), seen)) >= 0:
                    seen = found + 1
                    os.write(terminal, waiting.pop(0)[1].encode())
        os.close(terminal)
        os.waitpid(pid, 0)
        assert not waiting, f"{command}: {waiting[0][0]!r} never came: {text.decode()}"
        return text.decode().replace("\r\n", "\n")

    def draw(self, name: str, *commands: str, exchanges: Sequence[Exchange] = ()) -> None:
        """One picture: commands, and what they show; what is typed is for the last one."""
        console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
        for command in commands:
            console.print(Text(f"$ {command}", style="bold"))
            if said := settled(self.shown(command, exchanges if command is commands[-1] else ())).strip("\n"):
                console.print(Text.from_ansi(said))
        console.print()
        picture = console.export_svg(title="f7tfs")
        # No picture fetches a font from elsewhere; a name that is made of the content stays the same.
        picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
        picture = re.sub(r"terminal-\d+", "terminal", picture)
        self.pictures.mkdir(exist_ok=True)
        (self.pictures / f"{name}.svg").write_text(picture, encoding="utf-8")


def settled(said: str) -> str:
    """What stays on the screen of what a program wrote, in its colours; of several screens the last."""
    if "\x1b[?1049h" in said:
        said = said.partition("\x1b[?1049l")[0].rpartition("\x1b[H")[2]
    rows, row, at_start = [""], 0, False
    for piece in re.split(r"(\n|\r|\x1b\[(?:2K|\d*A|\?25[lh]))", said):
        if piece == "\n":
            row += 1
            rows += [""] * (row == len(rows))
        elif piece == "\r":
            at_start = True
        elif piece.endswith("A") and piece.startswith("\x1b["):
            row -= int(piece[2:-1] or 1)
        elif piece == "\x1b[2K":
            rows[row] = ""
        elif piece and not piece.startswith("\x1b[?25"):
            rows[row] = piece if at_start else rows[row] + piece
        at_start = at_start and piece in ("", "\r")
    return "\n".join(line.rstrip() for line in rows).rstrip() + "\n"


def draw_all(studio: Studio, sandbox: SandboxProcess) -> None:
    info = sandbox.info
    studio.draw(
        "login",
        "f7tfs login daint --no-keyring",
        exchanges=[
            ("or its FirecREST URL", f"{info.url_v2}\n"),
            ("log in by", "\n"),
            ("token URL", f"{info.token_url}\n"),
            ("client id", f"{info.client_id}\n"),
            ("client secret: ", f"{info.client_secret}\n"),
        ],
    )
    (sandbox.home / "project").mkdir()
    for name in ("notes.txt", "input.dat"):
        (sandbox.home / "project" / name).write_text("a note\n")
    studio.run("mkdir daint; for i in $(seq 200); do mkdir -p data/$((i % 10)); echo $i > data/$((i % 10))/$i; done")
    studio.draw("mount", "f7tfs mount daint ~/daint", "ls -l ~/daint/project", "f7tfs mounts")
    try:
        draw_mounted(studio, sandbox)
    finally:
        sandbox.clear_faults()
        # It ends with 1 where something is left.
        studio.run("f7tfs umount --wait 30 ~/daint || true")
    studio.draw("doctor", "f7tfs doctor daint")
    studio.draw("doctor-finds", "FIRECREST_CLIENT_SECRET=wrong f7tfs doctor daint")


def draw_mounted(studio: Studio, sandbox: SandboxProcess) -> None:
    studio.draw("trace", "f7tfs trace -- cp -r data ~/daint/")
    for name, seconds in (("prepare.sh", 0), ("wave.sh", 600)):
        (studio.home / name).write_text(JOB.format(seconds=seconds))
    studio.run("cp prepare.sh daint/project/.jobs/; f7tfs jobs wait last --mount daint")
    studio.run(
        "cp wave.sh daint/project/.jobs/; until grep -q step daint/project/.jobs/last/stdout; do sleep 0.5; done"
    )
    studio.draw("jobs", "f7tfs jobs list", "f7tfs jobs show last", "cat ~/daint/project/.jobs/last/stdout")
    studio.draw("status", "f7tfs status")
    sandbox.faults(s3_rules=[{"count": None, "delay": 6.0}])
    (studio.home / "large.h5").write_bytes(os.urandom(LARGE))
    studio.run("cp large.h5 daint/project/; until f7tfs transfers 2> /dev/null | grep -q /s; do sleep 0.2; done")
    studio.draw("transfers", "f7tfs transfers")
    studio.draw("top", "f7tfs top", exchanges=[("of the API", ""), ("of the API", "\x03")])
    sandbox.faults(quota=0)
    studio.run("echo more > daint/project/notes.txt || true; mkdir daint/refused")
    studio.draw("journal", "f7tfs journal", "f7tfs journal retry")


def main(pictures: Path) -> None:
    with tempfile.TemporaryDirectory() as place, SandboxProcess(Path(place)) as sandbox:
        env = {
            "HOME": str(HOME),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        draw_all(Studio(HOME, env, pictures), sandbox)


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else PICTURES
    if "--alone" in sys.argv:
        main(target)
    else:
        # A home with a short name, and no other mount beside those of the pictures.
        again = shlex.join([sys.executable, "-m", "scripts.pictures", str(target), "--alone"])
        script = f"mount -t tmpfs none {HOME.parent} && mkdir {HOME} && {again}"
        sys.exit(subprocess.run(alone(script, processes=True), cwd=TOP, check=False).returncode)
