"""Every `.jobs` directory of a mount, and what they share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio

from f7tfs.cluster.errors import InvalidName, PermissionDenied
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.jobs import texts
from f7tfs.vfs.jobs.book import Book
from f7tfs.vfs.jobs.directory import JobsDirectory
from f7tfs.vfs.jobs.job import JobDirectory
from f7tfs.vfs.jobs.output import Outputs
from f7tfs.vfs.jobs.record import Phase, Record
from f7tfs.vfs.jobs.store import JOBS, JobStore
from f7tfs.vfs.jobs.submitting import Submitter
from f7tfs.vfs.nodes import Directory, Inode
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.virtual import VirtualNodes
from f7tfs.vfs.zones import Zone

logger = logging.getLogger(__name__)


class JobsTree:
    """`root`: of the mount, on the cluster."""

    def __init__(
        self,
        cluster: Cluster,
        options: VfsOptions,
        nodes: VirtualNodes,
        cache: ContentCache,
        nursery: trio.Nursery,
        *,
        settle: Callable[[str], Awaitable[None]],
        zone: Callable[[], Zone | None],
    ) -> None:
        self.name = options.jobs_name
        self.nodes = nodes
        self.workdir = options.jobs_workdir
        self._cancel_allowed = options.jobs_cancel
        self.keep_scripts = options.jobs_keep_scripts
        self.hidden: set[str] = set()
        """What of the cluster is not seen, because it has our name."""
        self._store = JobStore(options.state_directory / JOBS)
        self.book = Book(cluster, self._store, zone, options.jobs_interval)
        self.output = Outputs(cluster, self.book, cache)
        self._submitter = Submitter(
            cluster,
            self.book,
            settle,
            nursery,
            account=options.account,
            environment=dict(options.job_environment),
            patience=options.answer_seconds,
        )
        self.problems = self._submitter.problems
        self.mountpoint = ""
        """Where processes of this machine see the mount; empty until it is mounted."""
        self.root = "/"

    async def start(self, root: str) -> None:
        """Go on with what an earlier run left."""
        self.root = root
        await self._submitter.resume()

    def close(self) -> None:
        self._store.close()

    async def settled(self) -> None:
        """Wait until nothing waits any more to be submitted."""
        await self._submitter.settled()

    def status(self) -> dict[str, object]:
        """For the status of the mount; asks nothing."""
        return {
            "jobs": self.name,
            "hidden": sorted(self.hidden),
            "jobs_waiting": sum(record.phase in (Phase.WAITING, Phase.SENDING) for record in self.book.records()),
            "jobs_known": texts.known(self.book.records(), self.book.seen),
        }

    # -- places ----------------------------------------------------------------------------------

    def at(self, parent: Directory) -> Inode:
        """The `.jobs` of a directory."""
        if not self.name:
            raise InvalidName("there is no jobs directory")
        return self.nodes.get(
            f"{parent.path.rstrip('/')}/{self.name}",
            lambda number: JobsDirectory(number=number, parent=parent, tree=self),
        )

    def is_listed(self, directory: Directory, name: str) -> bool:
        """Whether a listing shows an entry of the cluster's. What has our name is hidden, but not silently."""
        if name != self.name:
            return True
        path = f"{directory.path.rstrip('/')}/{name}"
        if path not in self.hidden:
            self.hidden.add(path)
            logger.warning("%s of the cluster is hidden by the jobs of this mount; -o jobs_name= renames those", path)
        return False

    def job_directory(self, record: Record) -> Inode:
        return self.nodes.get(
            self.place_of(record), lambda number: JobDirectory(number=number, record=record, tree=self)
        )

    def dropped_in(self, record: Record) -> JobsDirectory:
        """Where its script was dropped. Raises PermissionDenied where that was not in this mount."""
        found = self.nodes.find(f"{record.dropped.rstrip('/')}/{self.name}") if record.mark else None
        if not isinstance(found, JobsDirectory):
            raise PermissionDenied(f"{record.key} was not submitted here")
        return found

    @staticmethod
    def place_of(record: Record) -> str:
        """The same before and after it has an id."""
        return f"jobs:{record.mark or record.key}"

    def local_path(self, path: str) -> str:
        """Where processes of this machine see a path of the cluster; empty where they do not."""
        root = self.root.rstrip("/")
        if not self.mountpoint or not (path == self.root or path.startswith(f"{root}/")):
            return ""
        return self.mountpoint + path[len(root) :].rstrip("/") if path != self.root else self.mountpoint

    def cluster_path(self, local: str) -> str | None:
        """The path on the cluster of what processes here see at `local`; None where that is not in the mount."""
        parts: list[str] = []
        for part in local.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        place = "/" + "/".join(parts)
        if not self.mountpoint or not place.startswith(f"{self.mountpoint}/"):
            return None
        return self.root.rstrip("/") + place[len(self.mountpoint) :]

    # -- what the directories ask for ------------------------------------------------------------

    async def submit(self, record: Record) -> None:
        """Once. Raises the refusal."""
        self.problems.pop((record.dropped, record.name), None)
        await self._submitter.submit(record)

    def check_removable(self, record: Record) -> None:
        """Raises PermissionDenied where it has not ended, and an option forbids to cancel jobs."""
        if not self._cancel_allowed and not record.ended:
            raise PermissionDenied("this mount was told not to cancel jobs (option nocancel)")

    async def remove(self, record: Record) -> None:
        """Cancel a job that has not ended; show it no more."""
        if not record.ended:
            await self.book.fresh(record)
            self.check_removable(record)
            await self.book.cancel(record)
        await self.book.forget(record)

    async def queue(self) -> str:
        await self.book.look()
        return texts.queue(self.book.records())

    async def queue_json(self) -> str:
        await self.book.look()
        zone, seen = self.book.zone(), self.book.seen
        return texts.to_json([texts.info(record, None, zone, seen) for record in self.book.records()])
