"""Make the pictures of docs/pictures: what commands show on a terminal, at a sandbox."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from f7tfs.sandbox.process import SandboxProcess

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH = 104


def shown(arguments: list[str], env: dict[str, str], home: Path) -> str:
    """What `f7tfs ARGUMENTS` shows on a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve(sys.executable, [sys.executable, "-m", "f7tfs", *arguments], env)  # noqa: S606
    # Nobody types.
    text = b""
    try:
        while piece := os.read(terminal, 65536):
            text += piece
    except OSError:
        # EIO: the other end was closed.
        pass
    os.close(terminal)
    os.waitpid(pid, 0)
    return text.decode().replace("\r\n", "\n")


def draw(name: str, arguments: list[str], env: dict[str, str], home: Path) -> None:
    """One picture: the command, and what it shows."""
    said = shown(arguments, env, home)
    # What a spinner leaves behind is no part of the picture, nor is a temporary path.
    said = re.sub(r"^.*\x1b\[(?:1A|2K|\?25[lh])", "", said, flags=re.MULTILINE)
    said = re.sub(r"^.*[\u2800-\u28ff].*\n", "", said, flags=re.MULTILINE).lstrip("\n").replace(str(home), "~")
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text("$ f7tfs " + " ".join(arguments).replace(str(home), "~"), style="bold"))
    console.print(Text.from_ansi(said))
    picture = console.export_svg(title="f7tfs")
    # No picture fetches a font from elsewhere; a name that is made of the content stays the same.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = re.sub(r"terminal-\d+", "terminal", picture)
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(picture, encoding="utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory() as place, SandboxProcess(Path(place) / "cluster") as sandbox:
        home = Path(place)
        info = sandbox.info
        env = {
            "HOME": place,
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "COLUMNS": str(WIDTH),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(PICTURES.parent.parent),
            **info.variables(),
        }
        login = [sys.executable, "-m", "f7tfs", "login", "here", "--no-keyring"]
        subprocess.run(login, env=env, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        draw("doctor", ["doctor", "here"], env, home)
        draw("doctor-finds", ["doctor", "here"], {**env, "FIRECREST_CLIENT_SECRET": "wrong"}, home)


if __name__ == "__main__":
    main()
