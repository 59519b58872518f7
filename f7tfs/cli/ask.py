"""Questions to whoever sits at the terminal. Without a terminal the option that answers is named instead."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import typer

from f7tfs.cli.output import tell
from f7tfs.config import ConfigError


def answer(question: str, option: str, suggested: str | None = None) -> str:
    """What the user types; without a terminal what is suggested. Raises ConfigError where there is neither."""
    if sys.stdin.isatty():
        return str(typer.prompt(question, default=suggested, err=True)).strip()
    if suggested:
        return suggested
    raise ConfigError(f"{question}: not given, and there is no terminal to ask at", f"give {option}")


def choice(question: str, ways: Mapping[str, str], option: str, default: str) -> str:
    """One of several; each is explained."""
    if not sys.stdin.isatty():
        return default
    for name, meaning in ways.items():
        tell(f"    {name:10} {meaning}")
    while (chosen := answer(question, option, default)) not in ways:
        tell(f"one of {', '.join(ways)}")
    return chosen


def secret_answer(question: str) -> str:
    """A secret, not shown while it is typed; from a pipe its first line."""
    asked = sys.stdin.isatty()
    secret = str(typer.prompt(question, hide_input=True, err=True)) if asked else sys.stdin.readline()
    if not secret.strip():
        raise ConfigError(f"the {question} is empty", "type it, or send it through a pipe: f7tfs login … < FILE")
    return secret.strip()
