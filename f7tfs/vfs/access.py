"""What the mode bits allow: to refuse early what the cluster would refuse late.

The cluster decides. This only spares a program the write of a file that cannot be closed.
"""

from __future__ import annotations

import enum

from f7tfs.cluster.model import Identity
from f7tfs.vfs.nodes import Attributes


class Access(enum.IntEnum):
    """Bits of one class of a mode."""

    EXECUTE = 1
    WRITE = 2
    READ = 4


def may(access: Access, attributes: Attributes, identity: Identity) -> bool:
    """Whether the mode bits let this user; true wherever it cannot be told."""
    if attributes.acl or not identity.user or identity.uid == 0:
        return True
    if attributes.user == identity.user:
        return bool(attributes.mode >> 6 & access)
    if attributes.group in identity.groups.values():
        return bool(attributes.mode >> 3 & access)
    return bool(attributes.mode & access)
