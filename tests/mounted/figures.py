"""What tests measured besides passing: lines `NAME VALUE` in the file that F7TFS_FIGURES names, if it names one."""

from __future__ import annotations

import os
from pathlib import Path


def note(name: str, value: object) -> None:
    """Write a figure down."""
    if place := os.environ.get("F7TFS_FIGURES"):
        with Path(place).open("a") as figures:
            figures.write(f"{name} {value}\n")
