"""`f7tfs sandbox`: a local FirecREST to try things on."""

from __future__ import annotations

import typer


def sandbox() -> None:
    """Run a local FirecREST over a directory."""
    raise typer.Exit(1)
