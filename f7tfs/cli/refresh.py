"""`f7tfs refresh`: look at the cluster anew, now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import show_json
from f7tfs.cli.places import mount_and_path
from f7tfs.cli.progress import waiting
from f7tfs.mount.ask import ask
from f7tfs.mount.runtime import control_socket

_SECONDS = 120.0


def refresh(
    path: Annotated[Path, typer.Argument(parser=Path, metavar="PATH", help="A directory or file in a mount.")],
    as_json: Json = False,
) -> None:
    """Forget what is known of a path, so that the next look shows what is on the cluster now."""
    mountpoint, inside = mount_and_path(path)
    with waiting(f"looking at {path} anew"):
        ask(control_socket(mountpoint), "refresh", timeout=_SECONDS, path=inside)
    if as_json:
        show_json({"path": str(path.absolute()), "mountpoint": str(mountpoint)})
