"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# A parser of our own: typer's looks at the path first, and a look at a stale mount fails, at a stuck one waits.
OneMountpoint = Annotated[
    Path | None,
    typer.Argument(parser=Path, metavar="MOUNTPOINT", help="Else the one that you are in, or the only one."),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", envvar="F7TFS_PROFILE", show_envvar=False, help="A profile of f7tfs login (F7TFS_PROFILE)."
    ),
]
