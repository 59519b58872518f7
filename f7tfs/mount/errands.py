"""The control socket's commands for what a user has done on the cluster: `errand`, and `settle`.

`errand` takes `kind` (copy, move, remove, upload, download), `sources`, `target`, `recursive`, `leave`. The local
side of `upload` and `download` is absolute here, all else absolute on the cluster. It answers `{"errands": [...]}`.

`settle` takes `paths` and `seconds`, and answers `{"left": [PATH...], "failed": {PATH: ERROR}, "late": BOOL}`.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

import trio

from f7tfs.cluster.errors import ClusterError
from f7tfs.mount.control import Command, Progress
from f7tfs.mount.errors import MountError
from f7tfs.vfs.commission import Commission, Doing
from f7tfs.vfs.errands import Errands

KINDS: dict[str, Doing] = {
    "copy": "copy",
    "move": "move",
    "remove": "remove",
    "upload": "upload",
    "download": "download",
}


def commands(errands: Callable[[], Errands]) -> dict[str, Command]:
    """For the table of a session."""

    async def errand(arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        commissions = await _commissions(errands(), arguments)
        await errands().run(commissions, progress, leave=bool(arguments.get("leave")))
        return {"errands": [commission.report() for commission in commissions]}

    async def settle(arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        paths = [str(path) for path in arguments["paths"]]
        seconds = arguments.get("seconds")
        with trio.move_on_after(math.inf if seconds is None else float(seconds)):
            return {**await errands().settle(paths, progress, even_open=True), "late": False}
        return {"left": paths, "failed": {}, "late": True}

    return {"errand": errand, "settle": settle}


async def _commissions(errands: Errands, arguments: Mapping[str, Any]) -> list[Commission]:
    sources = [str(source) for source in arguments["sources"]]
    doing, target = KINDS[str(arguments["kind"])], str(arguments.get("target") or "")
    try:
        targets = await _targets(errands, doing, sources, target)
    except ClusterError as error:
        raise MountError(str(error)) from error
    recursive = bool(arguments.get("recursive"))
    return [Commission(doing, source, place, recursive) for source, place in zip(sources, targets, strict=True)]


async def _targets(errands: Errands, doing: Doing, sources: list[str], target: str) -> list[str]:
    match doing:
        case "remove":
            return [""] * len(sources)
        case "download":
            return [target] if len(sources) == 1 else [f"{target}/{posixpath.basename(path)}" for path in sources]
        case _:
            return await errands.places_in(target, [posixpath.basename(path) for path in sources])
