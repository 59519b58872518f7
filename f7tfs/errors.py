"""The errors that are told to a user as they are."""

from __future__ import annotations


class UserError(Exception):
    """Two lines for a user: `str(error)` is what happened, `error.cure` what can be done about it."""

    default_cure = "f7tfs doctor looks for the cause"

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what)
        self.cure = cure or self.default_cure
