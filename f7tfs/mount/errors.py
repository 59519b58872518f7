"""What can go wrong before, while and after mounting, told in one line."""

from __future__ import annotations


class MountError(Exception):
    """`str(error)` is one line that a user can act on."""
