"""Write the reference of the commands and the man page from what `f7tfs --help` says; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from f7tfs import __version__
from f7tfs.cli.app import app

TOP = Path(__file__).parent.parent
COMMANDS = TOP / "docs" / "reference" / "commands.md"
MAN = TOP / "docs" / "man" / "f7tfs.1"

_INTRODUCTION = """<!-- Made by scripts/reference.py from what `f7tfs --help` says. -->

# Commands

Every command ends with 0 when it did what was asked, with 1 when it did not, with 2 when it was called wrongly and
with 130 when it was interrupted; a mount in the foreground ends with 3 where something is left for the next one. An
error is two lines on standard error: what happened, and what to do. `f7tfs --debug COMMAND` shows where it came from.
Results go to standard output: tables on a terminal, plain text in a pipe (a line for each row, its cells parted by
tabs; figures that say nothing alone have their name before them, as `hits 12`), JSON with `--json`. `f7tfs
--install-completion` completes commands and options in your shell.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups before what is in them."""
    top = typer.main.get_command(app)
    yield "f7tfs", top
    for name, command in sorted(getattr(top, "commands", {}).items()):
        yield f"f7tfs {name}", command
        for inner, below in getattr(command, "commands", {}).items():
            yield f"f7tfs {name} {inner}", below


def usage(name: str, command: Any) -> str:
    """`f7tfs mount SYSTEM:/PATH MOUNTPOINT [OPTIONS]`."""
    words = [name]
    if hasattr(command, "commands"):
        words.append("COMMAND")
    for each in parameters(command, "argument"):
        label = each.metavar or each.name.upper()
        words.append(label if each.required else f"[{label}]")
    return " ".join(words)


def parameters(command: Any, kind: str) -> list[Any]:
    """The arguments, or the options that are not hidden."""
    return [
        each
        for each in command.params
        if each.param_type_name == kind and not getattr(each, "hidden", False) and each.name != "help"
    ]


def label(option: Any) -> str:
    """`--wait SECONDS`."""
    names = ", ".join((*sorted(option.opts, key=len, reverse=True), *option.secondary_opts))
    if option.is_flag:
        return names
    return f"{names} {option.metavar or option.name.upper()}"


def helped(text: str | None) -> list[str]:
    """The paragraphs of a help text, a line each."""
    return [" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n") if paragraph.strip()]


def markdown() -> str:
    lines = [_INTRODUCTION]
    for name, command in commands():
        lines += [f"## {name}", "", f"    {usage(name, command)}", ""]
        for paragraph in helped(command.help):
            lines += [paragraph, ""]
        rows = [(each.metavar or each.name.upper(), each.help) for each in parameters(command, "argument")]
        rows += [(label(each), each.help) for each in parameters(command, "option")]
        if rows:
            lines += ["| | |", "|---|---|"]
            lines += [f"| `{what.replace('|', chr(92) + '|')}` | {_cell(meaning)} |" for what, meaning in rows]
            lines.append("")
    return "\n".join(lines)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def man() -> str:
    lines = [f'.TH F7TFS 1 "" "f7tfs {__version__}" "User Commands"', ".SH NAME"]
    lines += ["f7tfs \\- mount an HPC cluster as a local directory over FirecREST", ".SH SYNOPSIS"]
    lines += [".B f7tfs", "[\\-\\-debug] COMMAND [ARGUMENTS]", ".SH COMMANDS"]
    for name, command in commands():
        lines += [f".SS {_roff(usage(name, command))}"]
        for paragraph in helped(command.help):
            lines += [_roff(paragraph), ".PP"]
        for each in parameters(command, "option"):
            lines += [".TP", f".B {_roff(label(each))}", _roff(_cell(each.help))]
    lines += [
        ".SH EXIT STATUS",
        "0 done, 1 not done, 2 called wrongly, 3 unmounted with something left, 130 interrupted.",
    ]
    lines += [
        ".SH FILES",
        "~/.config/f7tfs/config.toml, ~/.local/state/f7tfs",
        ".SH SEE ALSO",
        "mount(8), fusermount3(1)",
    ]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def outdated() -> list[Path]:
    """The files that do not say what the commands do."""
    wanted = {COMMANDS: markdown(), MAN: man()}
    return [file for file, text in wanted.items() if not file.exists() or file.read_text() != text]


def main() -> None:
    if "--check" in sys.argv:
        sys.exit(f"out of date: {', '.join(map(str, outdated()))}" if outdated() else 0)
    MAN.parent.mkdir(exist_ok=True)
    COMMANDS.write_text(markdown())
    MAN.write_text(man())


if __name__ == "__main__":
    main()
