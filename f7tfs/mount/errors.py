"""What can go wrong before, while and after mounting."""

from __future__ import annotations

from f7tfs.errors import UserError


class MountError(UserError):
    """Something about a mount, its daemon or its place."""
