"""What is refused before anything is changed."""

from __future__ import annotations

from f7tfs.cluster.errors import AlreadyExists, NotADirectory, PermissionDenied, ReadOnly
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.access import Access, may
from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.jobs import JobsTree
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import join
from f7tfs.vfs.nodes import Directory, Inode


class Refusals:
    """Raises errors of the cluster port, and OSError ENOSPC where the local disk has no room for the journal."""

    def __init__(
        self, cluster: Cluster, metadata: Metadata, store: ContentStore, jobs: JobsTree, *, read_only: bool
    ) -> None:
        self._cluster = cluster
        self._metadata = metadata
        self._store = store
        self._jobs = jobs
        self._read_only = read_only

    def check_writable(self) -> None:
        """Whether anything can be changed at all."""
        if self._read_only:
            raise ReadOnly("mounted read-only")
        self._store.check_room()

    def writable(self, inode: Inode) -> Directory:
        """A directory in which names can be changed."""
        self.check_writable()
        directory = directory_of(inode)
        if self._metadata.made_up(directory):
            raise PermissionDenied(f"{directory.path} holds the file systems of the cluster, and nothing else")
        if not (self._may(Access.WRITE, directory) and self._may(Access.EXECUTE, directory)):
            raise PermissionDenied(f"the mode of {directory.path} lets no names be changed in it")
        return directory

    async def searchable(self, inode: Inode) -> Directory:
        """A directory in which names can be looked for."""
        directory = directory_of(inode)
        if not self._may(Access.EXECUTE, directory):
            # Its mode may be an old one.
            await self._metadata.revalidate(directory)
            if not self._may(Access.EXECUTE, directory):
                raise PermissionDenied(f"the mode of {directory.path} lets no names be looked for in it")
        return directory

    def _may(self, access: Access, directory: Directory) -> bool:
        return may(access, directory.attributes, self._metadata.identity)

    def check_new(self, parent: Directory, name: str) -> None:
        """A name that is to be made, where nothing is."""
        self.check_name(parent, name)
        if name in parent.children:
            raise AlreadyExists(join(parent, name))

    def check_name(self, parent: Directory, name: str) -> None:
        """A name that is to be made, or replaced."""
        if name == self._jobs.name:
            raise PermissionDenied(f"{name} is f7tfs's own")
        self._cluster.check_name(join(parent, name))


def directory_of(inode: Inode) -> Directory:
    """Raises NotADirectory for what is none."""
    if not isinstance(inode, Directory):
        raise NotADirectory("not a directory")
    return inode
