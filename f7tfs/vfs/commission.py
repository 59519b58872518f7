"""One errand of a user's, and what becomes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import trio

from f7tfs.cluster.errand import Errand
from f7tfs.vfs.transfers import Transfer

Doing = Literal["copy", "move", "remove", "upload", "download"]


@dataclass(eq=False, slots=True)
class Commission:
    """Paths are the cluster's, but for the local side of `upload` and `download`."""

    doing: Doing
    source: str
    target: str = ""
    recursive: bool = False
    state: Literal["running", "done", "failed"] = "running"
    error: str = ""
    errand: Errand = field(default_factory=Errand)
    transfer: Transfer | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    started: float = field(default_factory=time.time)

    @property
    def concerned(self) -> tuple[str, ...]:
        """Its places on the cluster."""
        if self.doing == "upload":
            return (self.target,)
        return (self.source,) if self.doing in {"download", "remove"} else (self.source, self.target)

    @property
    def changed(self) -> tuple[str, ...]:
        """Those of them at which it changes something."""
        match self.doing:
            case "download":
                return ()
            case "copy":
                return (self.target,)
            case _:
                return self.concerned

    @property
    def place(self) -> str:
        """Where its result is to be seen on the cluster."""
        return self.concerned[-1]

    def report(self) -> dict[str, object]:
        """JSON-able. `job`: null where the cluster's scheduler was not needed."""
        return {
            "kind": self.doing,
            "source": self.source,
            "target": self.target or None,
            "state": self.state,
            "job": self.errand.job_id or None,
            "error": self.error or None,
            "started": self.started,
        }
