"""Call by call, with every condition that POSIX and Linux name: a mount answers what a local directory does.

The conditions are those that suites of conformance tests look at. What differs, since the API cannot do it, is in a
table of its own at the end.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import stat
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount
from tests.mounted.figures import note
from tests.mounted.test_model import outcome
from tests.mounted.test_posix_names import renameat2

pytestmark = pytest.mark.usefixtures("quiet_log")

Case = Callable[[Path], object]
CASES: dict[str, Case] = {}
LONG, TOO_LONG = "n" * 255, "n" * 256
PATH_MAX = 4096
LIBC = ctypes.CDLL(None, use_errno=True)


def case(what: str) -> Callable[[Case], Case]:
    """Every function of this name is a condition of its own."""

    def keep(function: Case) -> Case:
        assert what not in CASES
        CASES[what] = function
        return function

    return keep


def cases(**functions: Case) -> None:
    for name, function in functions.items():
        case(name.replace("_", " "))(function)


def failed(operation: Callable[..., object], *arguments: object) -> object:
    """The errno of what is to fail, by name; what it returned else, with no numbers of descriptors or inodes."""
    got = outcome(operation, *arguments)
    if isinstance(got, tuple) and got[0] == "errno":
        return errno.errorcode[got[1]]
    return "done"


def touch(path: Path, content: str = "content") -> Path:
    path.write_text(content)
    return path


def directory(path: Path) -> Path:
    path.mkdir()
    return path


def link(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


def opened(path: Path | str, flags: int, mode: int = 0o644) -> str:
    """What comes of opening; closed at once."""
    try:
        os.close(os.open(path, flags, mode))
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


OPERATIONS: dict[str, Callable[[Path | str], object]] = {
    "stat": os.stat,
    "lstat": os.lstat,
    "open for reading": lambda p: opened(p, os.O_RDONLY),
    "open for writing": lambda p: opened(p, os.O_WRONLY),
    "create": lambda p: opened(p, os.O_WRONLY | os.O_CREAT),
    "create exclusively": lambda p: opened(p, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "create and truncate": lambda p: opened(p, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    "open a directory": lambda p: opened(p, os.O_RDONLY | os.O_DIRECTORY),
    "open without following": lambda p: opened(p, os.O_RDONLY | os.O_NOFOLLOW),
    "open as a path": lambda p: opened(p, os.O_PATH | os.O_NOFOLLOW),
    "mkdir": os.mkdir,
    "rmdir": os.rmdir,
    "unlink": os.unlink,
    "symlink": lambda p: os.symlink("target", p),
    "readlink": os.readlink,
    "truncate": lambda p: os.truncate(p, 3),
    "chmod": lambda p: os.chmod(p, 0o700),
    "chown": lambda p: os.chown(p, -1, -1),
    "lchown": lambda p: os.lchown(p, -1, -1),
    "utime": lambda p: os.utime(p, (1, 2)),
    "access": lambda p: os.access(p, os.R_OK | os.W_OK),
    "listdir": lambda p: sorted(os.listdir(p)),
    "statvfs": lambda p: os.statvfs(p).f_namemax,
    "mknod of a file": lambda p: os.mknod(p, stat.S_IFREG | 0o644),
    "rename from it": lambda p: os.rename(p, f"{os.path.dirname(str(p).rstrip('/'))}/renamed"),
    "chdir": lambda p: os.close(os.open(p, os.O_RDONLY | os.O_DIRECTORY)),
}
"""Every call that takes a path."""

PLACES: dict[str, Callable[[Path], Path | str]] = {
    "nothing": lambda t: t / "absent",
    "below nothing": lambda t: t / "absent/x",
    "below a file": lambda t: touch(t / "f") / "x",
    "a file with a slash": lambda t: f"{touch(t / 'f')}/",
    "nothing with a slash": lambda t: f"{t}/absent/",
    "a directory with a slash": lambda t: f"{directory(t / 'd')}/",
    "a file": lambda t: touch(t / "f"),
    "a directory": lambda t: directory(t / "d"),
    "a full directory": lambda t: touch(directory(t / "d") / "x").parent,
    "dot": lambda t: f"{directory(t / 'd')}/.",
    "dot dot": lambda t: f"{directory(directory(t / 'd') / 'e')}/..",
    "dot dot of nothing": lambda t: f"{t}/absent/..",
    "dot dot of a file": lambda t: f"{touch(t / 'f')}/..",
    "a link to a file": lambda t: link(touch(t / "f").parent / "l", "f"),
    "a link to a directory": lambda t: link(directory(t / "d").parent / "l", "d"),
    "a link to a directory with a slash": lambda t: f"{link(directory(t / 'd').parent / 'l', 'd')}/",
    "a dangling link": lambda t: link(t / "l", "absent"),
    "a dangling link with a slash": lambda t: f"{link(t / 'l', 'absent')}/",
    "a link to itself": lambda t: link(t / "l", "l"),
    "below a link to itself": lambda t: link(t / "l", "l") / "x",
    "through a link": lambda t: link(touch(directory(t / "d") / "x").parent.parent / "l", "d") / "x",
    "a name of 255": lambda t: t / LONG,
    "a name of 256": lambda t: t / TOO_LONG,
    "below a name of 256": lambda t: t / TOO_LONG / "x",
    "a path that is too long": lambda t: f"{t}/" + "x/" * PATH_MAX,
    "a path of many dots": lambda t: f"{t}/" + "./" * 1000 + "absent",
}


def everywhere() -> Iterator[tuple[str, Case]]:
    for where, make in PLACES.items():
        for what, operation in OPERATIONS.items():
            yield f"{what}: {where}", partial(at_a_place, make=make, operation=operation)


def at_a_place(
    top: Path, make: Callable[[Path], Path | str], operation: Callable[[Path | str], object]
) -> tuple[object, dict[str, tuple[str, int]]]:
    """What comes of one call, and what is there then."""
    result = outcome(operation, make(top))
    if isinstance(result, tuple) and result[0] == "errno":
        result = errno.errorcode[result[1]]
    return (result if isinstance(result, str | list | bool | int) else "done"), tree(top)


def tree(top: Path) -> dict[str, tuple[str, int]]:
    """What is there: kinds, modes and sizes."""
    found = {}
    for path in sorted(top.rglob("*")):
        s = path.lstat()
        size = 0 if stat.S_ISDIR(s.st_mode) else s.st_size
        found[str(path.relative_to(top))] = (stat.filemode(s.st_mode), size)
    return found


# -- rename ---------------------------------------------------------------------------------------


def rename(top: Path, old: str, new: str) -> object:
    return failed(os.rename, f"{top}/{old}", f"{top}/{new}"), tree(top)


def made(top: Path) -> Path:
    """One of everything."""
    touch(top / "f")
    touch(top / "g", "other")
    for name in ("d", "e", "full"):
        (top / name).mkdir()
    touch(top / "full/x")
    touch(top / "d/in d")
    link(top / "lf", "f")
    link(top / "ld", "d")
    link(top / "dangling", "absent")
    link(top / "loop", "loop")
    return top


THINGS = [
    "f",
    "g",
    "d",
    "e",
    "full",
    "lf",
    "ld",
    "dangling",
    "absent",
    "f/",
    "d/",
    "absent/",
    "lf/",
    "ld/",
    "d/.",
    "d/..",
]
THINGS += ["f/x", "absent/x", "loop/x", "d/new", "d/d", TOO_LONG, "full/x"]


def renames() -> Iterator[tuple[str, Case]]:
    for old in THINGS:
        for new in THINGS:
            yield f"rename {old[:8]} to {new[:8]}", partial(renamed, old=old, new=new)


def renamed(top: Path, old: str, new: str) -> object:
    return rename(made(top), old, new)


def exchange(flags: int) -> Case:
    def run(top: Path) -> object:
        made(top)
        pairs = [("f", "g"), ("f", "absent"), ("absent", "f"), ("d", "full"), ("d", "d/x"), ("f", "f")]
        return [(errno.errorcode.get(renameat2(top / a, top / b, flags)), tree(top)) for a, b in pairs]

    return run


cases(rename_without_replacing=exchange(1), rename_with_unknown_flags=exchange(64), rename_with_both=exchange(3))

# -- open files -----------------------------------------------------------------------------------


def with_file(top: Path, flags: int, work: Callable[[int], object], content: bytes = b"0123456789") -> object:
    (top / "f").write_bytes(content)
    descriptor = os.open(top / "f", flags)
    try:
        result = outcome(work, descriptor)
    finally:
        os.close(descriptor)
    return result, (top / "f").read_bytes()


def raw(function: str, descriptor: int, *arguments: int) -> object:
    """A call that Python has no name for."""
    done = getattr(LIBC, function)(descriptor, *(ctypes.c_longlong(each) for each in arguments))
    return errno.errorcode[ctypes.get_errno()] if done == -1 else done


def limited(top: Path, size: int, work: Callable[[Path], object]) -> object:
    """With a limit of the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        return outcome(work, top)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def pieces(descriptor: int) -> list[object]:
    """Reads and writes at odd places."""
    return [
        outcome(os.pread, descriptor, 5, 8),
        outcome(os.pread, descriptor, 5, 100),
        outcome(os.pread, descriptor, 5, -1),
        outcome(os.pwrite, descriptor, b"x", -1),
        outcome(os.pwrite, descriptor, b"", 3),
        outcome(os.preadv, descriptor, [bytearray(3), bytearray(3)], 6),
        outcome(os.pwritev, descriptor, [b"ab", b"cd"], 2),
        outcome(os.lseek, descriptor, -1, os.SEEK_SET),
        outcome(os.lseek, descriptor, -3, os.SEEK_END),
        outcome(os.read, descriptor, 10),
        outcome(os.lseek, descriptor, 20, os.SEEK_SET),
        outcome(os.read, descriptor, 10),
        outcome(os.write, descriptor, b"end"),
        outcome(os.lseek, descriptor, 0, os.SEEK_CUR),
        outcome(os.lseek, descriptor, 100, os.SEEK_DATA),
        outcome(os.lseek, descriptor, 0, os.SEEK_DATA),
    ]


def truncations(descriptor: int) -> list[object]:
    sizes = [-1, 0, 5, 5, 4097, 1, 2**63 - 1]
    return [(outcome(os.ftruncate, descriptor, size), os.fstat(descriptor).st_size) for size in sizes[:-1]]


def locks(descriptor: int) -> list[object]:
    path = f"/proc/self/fd/{descriptor}"
    other = os.open(path, os.O_RDWR)
    try:
        open_lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 5, 0)
        return [
            outcome(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB),
            outcome(fcntl.flock, other, fcntl.LOCK_SH | fcntl.LOCK_NB),
            outcome(fcntl.flock, descriptor, fcntl.LOCK_UN),
            outcome(fcntl.flock, other, fcntl.LOCK_SH | fcntl.LOCK_NB),
            outcome(lambda: len(fcntl.fcntl(descriptor, 37, open_lock))),  # F_OFD_SETLK
            outcome(lambda: len(fcntl.fcntl(other, 37, open_lock))),
            outcome(fcntl.lockf, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 3, 6),
        ]
    finally:
        os.close(other)


def mapped(descriptor: int) -> list[object]:
    with mmap.mmap(descriptor, 10) as shared, mmap.mmap(descriptor, 10, flags=mmap.MAP_PRIVATE) as private:
        private[0:2] = b"PP"
        shared[4:6] = b"SS"
        seen = os.pread(descriptor, 10, 0)
        os.pwrite(descriptor, b"W", 8)
        shared.flush()
        return [seen, shared[:], private[:2]]


def copied(descriptor: int) -> list[object]:
    return [
        outcome(os.copy_file_range, descriptor, descriptor, 3, 0, 20),
        outcome(os.copy_file_range, descriptor, descriptor, 3, 0, 1),
        outcome(os.copy_file_range, descriptor, descriptor, 3, 100, 30),
    ]


def changed_mode(descriptor: int) -> str:
    os.fchmod(descriptor, 0o4751)
    return oct(os.fstat(descriptor).st_mode)


def synced(descriptor: int) -> None:
    os.pwrite(descriptor, b"x", 3)
    os.fsync(descriptor)
    os.fdatasync(descriptor)


def allocated(descriptor: int) -> list[object]:
    spans = [(0, 5), (5, 20), (0, 0), (-1, 5), (0, -1)]
    return [outcome(os.posix_fallocate, descriptor, offset, length) for offset, length in spans]


RW, RO, WO, AP = os.O_RDWR, os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_APPEND
cases(
    odd_offsets=lambda t: with_file(t, RW, pieces),
    odd_offsets_when_appending=lambda t: with_file(t, AP | RW, pieces),
    odd_offsets_for_reading=lambda t: with_file(t, RO, lambda d: pieces(d)[2:8]),
    ftruncate=lambda t: with_file(t, RW, truncations),
    ftruncate_for_reading=lambda t: with_file(t, RO, lambda d: os.ftruncate(d, 1)),
    truncate_when_appending=lambda t: with_file(t, AP | os.O_TRUNC, lambda d: os.write(d, b"x")),
    truncate_for_reading=lambda t: with_file(t, RO | os.O_TRUNC, lambda d: os.fstat(d).st_size),
    read_of_what_is_for_writing=lambda t: with_file(t, WO, lambda d: os.read(d, 1)),
    write_to_what_is_for_reading=lambda t: with_file(t, RO, lambda d: os.write(d, b"x")),
    locks_of_all_kinds=lambda t: with_file(t, RW, locks),
    maps_and_writes=lambda t: with_file(t, RW, mapped),
    copy_file_range=lambda t: with_file(t, RW, copied),
    posix_fallocate=lambda t: with_file(t, RW, allocated),
    a_limit_on_size=lambda t: limited(t, 1000, lambda t: with_file(t, RW, lambda d: os.pwrite(d, b"x" * 2000, 0))),
    beyond_a_limit=lambda t: limited(t, 1000, lambda t: with_file(t, RW, lambda d: os.ftruncate(d, 2000))),
    fchmod=lambda t: with_file(t, RO, changed_mode),
    fsync=lambda t: with_file(t, RW, synced),
    fadvise=lambda t: with_file(t, RO, lambda d: os.posix_fadvise(d, 0, 0, os.POSIX_FADV_DONTNEED)),
    sendfile=lambda t: with_file(t, RW, lambda d: os.sendfile(d, d, 0, 5)),
    readahead=lambda t: with_file(t, RO, lambda d: raw("readahead", d, 0, 5)),
    sync_file_range=lambda t: with_file(t, RW, lambda d: raw("sync_file_range", d, 0, 5, 2)),
    listing_of_a_file=lambda t: with_file(t, RO, os.listdir),
)


@case("an unlinked file goes on")
def _unlinked(top: Path) -> object:
    with touch(top / "f").open("r+b", buffering=0) as held:
        os.unlink(top / "f")
        before = os.fstat(held.fileno())
        held.write(b"more than there was")
        os.ftruncate(held.fileno(), 30)
        os.fchmod(held.fileno(), 0o600)
        os.utime(held.fileno(), (1, 2))
        os.fsync(held.fileno())
        after = os.fstat(held.fileno())
        same = before.st_ino == after.st_ino
        return before.st_nlink, after.st_nlink, after.st_size, oct(after.st_mode), after.st_mtime, same, tree(top)


@case("an unlinked directory takes nothing")
def _removed_directory(top: Path) -> object:
    descriptor = os.open(directory(top / "d"), os.O_RDONLY)
    try:
        os.rmdir(top / "d")
        return [
            outcome(os.listdir, descriptor),
            failed(lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor)),
            failed(lambda: os.mkdir("x", dir_fd=descriptor)),
            failed(lambda: os.symlink("y", "x", dir_fd=descriptor)),
            failed(lambda: os.stat("x", dir_fd=descriptor)),
            os.fstat(descriptor).st_nlink,
        ]
    finally:
        os.close(descriptor)


@case("a directory that is the working one")
def _working_directory(top: Path) -> object:
    before = os.getcwd()
    os.chdir(directory(top / "d"))
    try:
        return [failed(os.rmdir, "."), failed(os.rmdir, top / "d"), failed(os.getcwd), failed(touch, Path("x"))]
    finally:
        os.chdir(before)


@case("everything by descriptors of directories")
def _at(top: Path) -> object:
    at = os.open(directory(top / "d"), os.O_RDONLY)
    try:
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=at))
        os.mkdir("e", dir_fd=at)
        os.symlink("f", "l", dir_fd=at)
        os.rename("f", "g", src_dir_fd=at, dst_dir_fd=at)
        os.rename(top / "d", top / "moved")
        os.chmod("g", 0o600, dir_fd=at)
        return [os.readlink("l", dir_fd=at), sorted(os.listdir(at)), failed(os.fsync, at), tree(top)]
    finally:
        os.close(at)


@case("a path descriptor")
def _path_descriptor(top: Path) -> object:
    descriptor = os.open(touch(top / "f"), os.O_PATH)
    try:
        return [
            failed(os.read, descriptor, 1),
            failed(os.write, descriptor, b"x"),
            failed(os.fchmod, descriptor, 0o600),
            failed(os.ftruncate, descriptor, 0),
            os.fstat(descriptor).st_size,
            Path(f"/proc/self/fd/{descriptor}").read_text(),
        ]
    finally:
        os.close(descriptor)


@case("flags of open that exclude each other")
def _flags(top: Path) -> object:
    made(top)
    combinations = {
        "create a directory": ("new", os.O_RDONLY | os.O_CREAT | os.O_DIRECTORY),
        "create over a directory": ("d", os.O_RDONLY | os.O_CREAT),
        "create a directory that is there": ("d", os.O_RDONLY | os.O_CREAT | os.O_DIRECTORY),
        "truncate a directory": ("d", os.O_RDONLY | os.O_TRUNC),
        "write a directory": ("d", os.O_RDWR),
        "exclusive, dangling": ("dangling", os.O_WRONLY | os.O_CREAT | os.O_EXCL),
        "dangling": ("dangling", os.O_WRONLY | os.O_CREAT),
        "not followed": ("lf", os.O_RDONLY | os.O_NOFOLLOW),
        "not followed, directory": ("ld", os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY),
        "synchronous": ("f", os.O_RDWR | os.O_SYNC),
        "without times": ("f", os.O_RDONLY | os.O_NOATIME),
        "non-blocking": ("f", os.O_RDONLY | os.O_NONBLOCK),
        "direct": ("f", os.O_RDWR | os.O_DIRECT),
    }
    return [(what, opened(top / name, flags)) for what, (name, flags) in combinations.items()], tree(top)


@case("modes and the mask")
def _masked(top: Path) -> object:
    before = os.umask(0o077)
    try:
        touch(top / "a")
        (top / "b").mkdir(0o777)
        os.umask(0o002)
        for mode in (0, 0o400, 0o444, 0o755, 0o7777):
            os.close(os.open(top / f"f{mode:o}", os.O_CREAT | os.O_RDWR, mode))
            (top / f"d{mode:o}").mkdir(mode | 0o700)
        return tree(top)
    finally:
        os.umask(before)


@case("modes that are set")
def _modes(top: Path) -> object:
    touch(top / "f")
    (top / "d").mkdir()
    found = []
    for mode in (0o400, 0o644, 0o1644, 0o2755, 0o4755, 0o6711, 0o7777):
        os.chmod(top / "f", mode)
        os.chmod(top / "d", mode | 0o700)
        found.append((oct(os.stat(top / "f").st_mode), oct(os.stat(top / "d").st_mode)))
    return found


@case("times now, omitted and odd")
def _omitted(top: Path) -> object:
    touch(top / "f")
    os.utime(top / "f", ns=(10**18 + 1, 10**18 + 2))
    now, omit = (1 << 30) - 1, (1 << 30) - 2
    found: list[object] = []
    for atime, mtime in ((omit, omit), (omit, 5), (5, omit), (omit, now), (now, omit), (10**9, 5)):
        times = struct.pack("qqqq", 7, atime, 7, mtime)
        done = LIBC.utimensat(-100, os.fsencode(top / "f"), times, 0)
        s = os.stat(top / "f")
        told = [t if t < 1_700_000_000 * 10**9 else "now" for t in (s.st_atime_ns, s.st_mtime_ns)]
        found.append((done, done and errno.errorcode[ctypes.get_errno()], told))
    return found


@case("symlinks of every length")
def _targets(top: Path) -> object:
    lengths = [0, 1, 255, 256, 1023, 4095, 4096]
    return [(n, failed(os.symlink, "x" * n, top / f"l{n}")) for n in lengths], [
        len(os.readlink(top / f"l{n}")) for n in lengths if (top / f"l{n}").is_symlink()
    ]


@case("chains of links")
def _chains(top: Path) -> object:
    touch(top / "0")
    for n in range(1, 45):
        os.symlink(str(n - 1), top / str(n))
    return [failed(os.stat, top / str(n)) for n in (1, 39, 40, 41)]


@case("a program is run and cannot be written")
def _busy(top: Path) -> object:
    (top / "run").write_bytes(Path("/bin/sleep").read_bytes())
    (top / "run").chmod(0o755)
    child = os.posix_spawn(top / "run", ["run", "60"], os.environ)
    try:
        return [
            failed(lambda: os.open(top / "run", os.O_WRONLY)),
            failed(os.truncate, top / "run", 0),
            failed(os.unlink, top / "run"),
        ]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@case("a script without the right to run it")
def _no_execution(top: Path) -> object:
    (top / "script").write_text("#!/bin/sh\n")
    (top / "script").chmod(0o644)
    return failed(os.posix_spawn, top / "script", ["script"], {}), os.access(top / "script", os.X_OK)


@case("reading a directory step by step")
def _steps(top: Path) -> object:
    for n in range(20):
        touch(top / f"f{n:02}")
    at = os.open(top, os.O_RDONLY)
    try:
        first = sorted(os.listdir(at))
        os.unlink(top / "f05")
        touch(top / "new")
        os.lseek(at, 0, os.SEEK_SET)
        return first, sorted(os.listdir(at)), sum(entry.is_file() for entry in os.scandir(top))
    finally:
        os.close(at)


@case("what stat says of kinds")
def _stat(top: Path) -> object:
    made(top)
    found = {}
    for path in sorted(top.rglob("*")):
        s = path.lstat()
        found[str(path)[len(str(top)) :]] = (s.st_mode, s.st_uid, s.st_gid, s.st_rdev, s.st_nlink > 0, s.st_ino > 1)
    return found


def compare(mount: Mount, local: Path, conditions: dict[str, Case]) -> None:
    """Do everything in a fresh directory of each, and tell all that differs."""
    differing: dict[str, tuple[object, object]] = {}
    for number, (what, run) in enumerate(conditions.items()):
        theirs, ours = directory(local / str(number)), directory(mount.path / str(number))
        expected, got = outcome(run, theirs), outcome(run, ours)
        if got != expected:
            differing[what] = (expected, got)
    told = [f"{what}: {expected} was expected, not {got}" for what, (expected, got) in differing.items()]
    assert not differing, "\n".join(told)
    note(f"conditions of calls compared ({mount.api}):", len(conditions))


def test_call_by_call_as_a_local_directory(mount: Mount, tmp_path: Path) -> None:
    compare(mount, tmp_path, CASES)


def test_every_call_at_every_sort_of_place(mount: Mount, tmp_path: Path) -> None:
    compare(mount, tmp_path, dict(everywhere()))


def test_everything_is_renamed_to_everything(mount: Mount, tmp_path: Path) -> None:
    """On v2 a directory's rename is a job of the scheduler, which takes its time: only every fifth pair then."""
    pairs = list(renames())
    compare(mount, tmp_path, dict(pairs[::2] if mount.api == "v1" else pairs[1::5]))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["auto", "async", "sync"])
@pytest.mark.parametrize("api", APIS)
def test_so_it_is_in_the_other_write_modes(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str, mode: str
) -> None:
    mount = new_mount(api, "--write-mode", mode, settings={"job_start_seconds": 0.0}, bursts=True)
    mount.mount()
    compare(mount, tmp_path, {**CASES, **dict(everywhere()), **dict(renames())})
    assert mount.umount().returncode == 0
