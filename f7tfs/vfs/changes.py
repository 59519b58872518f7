"""Changes of names and attributes, put together; each kind has its module."""

from __future__ import annotations

from f7tfs.cluster.port import Cluster
from f7tfs.vfs.attribute_changes import AttributeChanges
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.clearing import Clearing
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.making import Making
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.presently import Presently
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.removing import Removing
from f7tfs.vfs.renamer import Renamer
from f7tfs.vfs.renaming import Renaming
from f7tfs.vfs.renaming_at_once import RenamingAtOnce
from f7tfs.vfs.renaming_here import RenamingHere
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.uploads import Uploads


class Changes:
    """What a user does to names and attributes."""

    def __init__(
        self,
        cluster: Cluster,
        log: ChangeLog,
        metadata: Metadata,
        cache: ContentCache,
        reader: Reader,
        uploads: Uploads,
        delivery: Delivery,
        sender: Sender,
        renamer: Renamer,
        presently: Presently,
        paces: Paces,
        clearing: Clearing,
    ) -> None:
        removing = Removing(cluster, log, metadata, cache, reader, uploads, presently, clearing)
        making = Making(cluster, sender, log, metadata, presently)
        attributes = AttributeChanges(cluster, log, presently)
        here = RenamingHere(log, metadata, cache, delivery, removing)
        at_once = RenamingAtOnce(log, uploads, delivery, renamer, presently, here)
        renaming = Renaming(metadata, uploads, removing, making, at_once, here)
        each = paces.each
        self.mkdir, self.symlink = each(making.mkdir), each(making.symlink)
        self.unlink, self.rmdir = each(removing.unlink), each(removing.rmdir)
        self.rename, self.chmod = each(renaming.rename), each(attributes.chmod)
        self.chown, self.set_times = attributes.chown, attributes.set_times
