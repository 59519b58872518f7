"""The `.jobs` directory: dropping a script submits it, a job is a directory, removing that cancels it.

.jobs/NAME          a script being written; submitted when it is closed, gone from here once the scheduler has it
.jobs/NAME.err      why NAME was not submitted, in the scheduler's own words
.jobs/last          a symlink to the directory of the job submitted last
.jobs/ID/status     one line: state, exit code, signal, seconds elapsed, nodes; separated by tabs
.jobs/ID/info.json  all that is known
.jobs/ID/script     the batch script
.jobs/ID/stdout     what the job has written so far
.jobs/ID/stderr     likewise
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from f7tfs.cluster.errors import ClusterError, InvalidName, NotFound, PermissionDenied, SchedulerRefused
from f7tfs.cluster.model import Kind
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.nodes import Attributes, Directory, File, Inode, Version
from f7tfs.vfs.scheduler import Jobs
from f7tfs.vfs.temporaries import is_temporary
from f7tfs.vfs.tree import RESOLUTION, SECOND_NS
from f7tfs.vfs.virtual import VirtualDirectory, VirtualFile, VirtualLink, VirtualNodes

ERROR_SUFFIX = ".err"
# A batch script larger than this is a mistake.
LARGEST_SCRIPT = 2**20


@dataclass(eq=False, slots=True, kw_only=True)
class OutputFile(File):
    """A job's output: a file on the cluster, wherever it lies. Its `name` is its whole path."""

    job_id: str = ""
    stream: str = "stdout"


@dataclass(eq=False, slots=True, kw_only=True)
class TextFile(VirtualFile):
    """Made by a callable each time it is opened."""

    text: Callable[[], Awaitable[str]]
    known_size: int = 0

    async def content(self) -> bytes:
        encoded = (await self.text()).encode("utf-8", "surrogateescape")
        self.known_size = len(encoded)
        return encoded

    def size(self) -> int:
        return self.known_size


@dataclass(eq=False, slots=True, kw_only=True)
class ScriptFile(VirtualFile):
    """A batch script on its way to the scheduler."""

    writable: bool = True
    name: str
    directory: JobsDirectory
    data: bytearray = field(default_factory=bytearray)
    submitted: bool = False

    async def content(self) -> bytes:
        return bytes(self.data)

    def size(self) -> int:
        return len(self.data)

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > LARGEST_SCRIPT:
            raise SchedulerRefused(f"a batch script of more than {LARGEST_SCRIPT} bytes")
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))

    async def flushed(self, *, last: bool) -> None:
        scratch = self.name.startswith(".") or is_temporary(self.name)
        if last and self.data and not self.submitted and not scratch:
            # Before the first await: the next flush must not submit it again.
            self.submitted = True
            await self.directory.submit(self)


@dataclass(eq=False, slots=True, kw_only=True)
class JobDirectory(VirtualDirectory):
    """One job."""

    job_id: str
    tree: JobsTree

    async def entries(self) -> list[tuple[str, Inode]]:
        await self.tree.jobs.get(self.job_id)
        return [(name, self.tree.job_file(self.job_id, name)) for name in JOB_FILES]

    async def unlink(self, name: str) -> None:
        """`rm -r` removes the entries first; the directory's own removal is what counts."""
        if name not in JOB_FILES:
            raise NotFound(name)


@dataclass(eq=False, slots=True, kw_only=True)
class JobsDirectory(VirtualDirectory):
    """The `.jobs` of one directory, which is the working directory of what is submitted here."""

    parent: Directory
    tree: JobsTree
    scripts: dict[str, ScriptFile] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    async def entries(self) -> list[tuple[str, Inode]]:
        found: list[tuple[str, Inode]] = [*self.scripts.items()]
        found += [(name + ERROR_SUFFIX, self._error_file(name)) for name in self.errors]
        found += [(job_id, self.tree.job_directory(job_id)) for job_id in await self.tree.jobs.all()]
        if self.tree.jobs.last is not None:
            found.append(("last", self._last()))
        return found

    async def lookup(self, name: str) -> Inode:
        if name in self.scripts:
            return self.scripts[name]
        stem = name.removesuffix(ERROR_SUFFIX)
        if stem != name and stem in self.errors:
            return self._error_file(stem)
        if name == "last" and self.tree.jobs.last is not None:
            return self._last()
        if not name[:1].isdigit():
            raise NotFound(name)
        await self.tree.jobs.get(name)
        return self.tree.job_directory(name)

    def _last(self) -> Inode:
        job_id = self.tree.jobs.last or ""
        link = self.tree.nodes.get(f"{self._path}/last", lambda number: VirtualLink(number=number))
        if isinstance(link, VirtualLink):
            link.target = job_id
        return link

    @property
    def _path(self) -> str:
        return f"{self.parent.path}/{self.tree.name}"

    def _error_file(self, name: str) -> Inode:
        return self.tree.nodes.get(
            f"{self._path}/{name}{ERROR_SUFFIX}",
            lambda number: TextFile(number=number, text=partial(self._error, name)),
        )

    async def _error(self, name: str) -> str:
        return self.errors.get(name, "")

    async def create(self, name: str) -> VirtualFile:
        if name[:1].isdigit() or name == "last":
            raise PermissionDenied(f"{name} is a job's name here")
        path = f"{self._path}/{name}"
        self.tree.nodes.forget(path)
        node = self.tree.nodes.get(path, lambda number: ScriptFile(number=number, name=name, directory=self))
        if not isinstance(node, ScriptFile):  # pragma: no cover -- made in the line above
            raise TypeError(node)
        self.scripts[name] = node
        return node

    async def unlink(self, name: str) -> None:
        stem = name.removesuffix(ERROR_SUFFIX)
        if self.scripts.pop(name, None) is None and self.errors.pop(stem, None) is None:
            raise PermissionDenied(f"{name} cannot be removed")

    async def rmdir(self, name: str) -> None:
        """Cancels the job."""
        await self.tree.jobs.cancel(name)

    async def submit(self, script: ScriptFile) -> None:
        """Raises the refusal, and keeps its words in NAME.err."""
        self.errors.pop(script.name, None)
        try:
            text = script.data.decode()
            if not text.startswith("#!"):
                raise SchedulerRefused("this does not look like a batch script: the first line must start with #!")
            await self.tree.jobs.submit(text, script.name, self.parent.path)
        except UnicodeDecodeError as error:
            self.errors[script.name] = f"a batch script is text, and this is not: {error}\n"
            raise SchedulerRefused(self.errors[script.name]) from None
        except ClusterError as error:
            self.errors[script.name] = f"{error}\n"
            raise
        finally:
            self.scripts.pop(script.name, None)
            self.tree.nodes.forget(f"{self._path}/{script.name}")


class JobsTree:
    """Every `.jobs` directory of a mount."""

    def __init__(self, name: str, jobs: Jobs, nodes: VirtualNodes, cache: ContentCache) -> None:
        self.name = name
        self.jobs = jobs
        self.nodes = nodes
        self._cache = cache

    def at(self, parent: Directory) -> Inode:
        """The `.jobs` of a directory."""
        if not self.name:
            raise InvalidName("there is no jobs directory")
        return self.nodes.get(
            f"{parent.path.rstrip('/')}/{self.name}",
            lambda number: JobsDirectory(number=number, parent=parent, tree=self),
        )

    def job_directory(self, job_id: str) -> Inode:
        return self.nodes.get(f"jobs:{job_id}", lambda number: JobDirectory(number=number, job_id=job_id, tree=self))

    def job_file(self, job_id: str, name: str) -> Inode:
        return self.nodes.get(f"jobs:{job_id}/{name}", partial(JOB_FILES[name], self, job_id))

    # -- the files of a job ----------------------------------------------------------------------

    async def status(self, job_id: str) -> str:
        job = await self.jobs.get(job_id)
        fields = (job.state.value, job.exit_code, job.signal, job.elapsed, job.nodes)
        return "\t".join("-" if field is None or field == "" else f"{field}" for field in fields) + "\n"

    async def info(self, job_id: str) -> str:
        files = await self.jobs.files(job_id)
        job = dataclasses.asdict(await self.jobs.get(job_id))
        job |= {"state": job["state"].value, "stdout": files.stdout, "stderr": files.stderr}
        return json.dumps(job, indent=2) + "\n"

    async def script(self, job_id: str) -> str:
        return (await self.jobs.files(job_id)).script

    async def refresh(self, output: OutputFile) -> None:
        """Look at a job's output again: it grows."""
        files = await self.jobs.files(output.job_id)
        output.name = files.stdout if output.stream == "stdout" else files.stderr
        stat = await self.jobs.stat(output.name)
        if stat is None:
            return
        settled = stat.mtime < time.time() - RESOLUTION
        version = Version(f"stat {stat.ino} {stat.mtime} {stat.ctime}", stat.size, settled)
        if version != output.version:
            self._cache.drop(output)
        output.version = version
        output.attributes.size, output.attributes.mtime_ns = stat.size, stat.mtime * SECOND_NS


def _text_file(text: Callable[[JobsTree, str], Awaitable[str]]) -> JobFileMaker:
    return lambda tree, job_id, number: TextFile(number=number, text=partial(text, tree, job_id))


def _output_file(stream: str) -> JobFileMaker:
    def make(_tree: JobsTree, job_id: str, number: int) -> Inode:
        attributes = Attributes(Kind.FILE, 0o444, "", "", 0, time.time_ns())
        return OutputFile(number=number, name="", parent=None, attributes=attributes, job_id=job_id, stream=stream)

    return make


JobFileMaker = Callable[[JobsTree, str, int], Inode]

JOB_FILES: dict[str, JobFileMaker] = {
    "status": _text_file(JobsTree.status),
    "info.json": _text_file(JobsTree.info),
    "script": _text_file(JobsTree.script),
    "stdout": _output_file("stdout"),
    "stderr": _output_file("stderr"),
}
