"""The file trees that the recordings were made in."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

FOREIGN_UID = 54321
AS_ROOT = os.getuid() == 0


def write(path: Path, content: bytes = b"x", mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def sized(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def foreign(directory: Path) -> None:
    """A directory of somebody else; where we cannot give it away, at least one that we cannot use."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    (directory / "f").write_bytes(b"secret")
    directory.chmod(0o700 if AS_ROOT else 0)
    if AS_ROOT:
        os.chown(directory, FOREIGN_UID, FOREIGN_UID)


def cleared(directory: Path) -> Path:
    """The directory, empty and new."""
    if directory.exists():
        for below in directory.rglob("*"):
            if below.is_dir() and not below.is_symlink():
                below.chmod(0o755)
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    return directory


ODD_NAMES = [
    *(b"\x01ctl", b" lead", b"$(id)", b"$HOME", b"--help", b"-dash", b"<lt>", b"`id`", b"a\"b'c", b"amp&"),
    *(b"arrow -> x", b"back\\slash", b"colon:", b'dq"uote', "emoji😀".encode(), b"eq=", b"hash#"),
    *("héllo-é".encode(), b"latin1-\xe9", b"new\nline", b"pct%41", b"pipe|", b"plus+", b"q?", b"semi;colon"),
    *(b"sp ace", b"sq'uote", b"star*", b"tab\there", b"tilde~", b"trail ", "日本".encode()),
]


def build_v2(home: Path) -> None:
    """The tree that the recordings were made in, as each of them found it."""
    write(home / ".bashrc")
    x = cleared(home / "x")
    write(x / "dir/f", b"hello\n")
    write(x / "dir/.hidden", b"1234")
    write(x / "dir/sub/deep", b"12")
    write(x / "dir/sub/s2/d2", b"12")
    os.mkfifo(x / "dir/fifo", 0o644)
    for name, target in {"l": "f", "lq": "sp ace'q", "dang": "nowhere"}.items():
        (x / "dir" / name).symlink_to(target)
    for name in ("empty", "isdir", "names", "many"):
        (x / name).mkdir()
    for entry in ODD_NAMES:
        (Path(os.fsencode(x / "names").decode()) / os.fsdecode(entry)).write_bytes(b"x")
    for name, target in {"ln -> arrow": "a -> b", "ln sp": "tgt with sp", "lnq": "it's"}.items():
        (x / "names" / name).symlink_to(target)
    (x / "ldir").symlink_to("dir")
    (x / "sym").symlink_to("small")
    write(x / "small", b"0123456789\n")
    write(x / "z0", b"")
    write(x / "lines", b"".join(b"%09d\n" % number for number in range(1000)))
    write(x / "bin", b"abc\xff\xfe\x00def")
    write(x / "u8", "héllo wörld, héllo wörld\n".encode())
    write(x / "ow", b"old", 0o444)
    write(x / "c", b"12")
    write(x / "tree/a/b/c")
    write(x / "tgt/f")
    write(x / "tgt2/f")
    write(x / "part/locked/x")
    (x / "part/locked").chmod(0o555)
    (x / "ln2").symlink_to("tgt2")
    sized(x / "s3932157", 3932157)
    sized(x / "s3932158", 3932158)
    sized(x / "y6m", 6_000_000)
    foreign(home.parent / "firesrv")


def build_v1(home: Path) -> None:
    """The tree that the recordings were made in, as each of them found it."""
    x = cleared(home / "x1")
    write(x / "a.txt", b"hello world\nline2\nline3\n")
    write(x / "k1", bytes(range(256)) * 4, 0o755)
    write(x / "bin", b"ab\xff\xfe")
    write(x / "lines", b"".join(b"%d\n" % number for number in range(1, 101)))
    write(x / "zero", b"")
    write(x / "zsec", b"", 0)
    write(x / "sub/s.txt", b"s\n")
    write(x / "sub/deep/d.txt", b"d\n")
    (x / "empty").mkdir()
    (x / "noread").mkdir(mode=0)
    (x / "lnkdir").symlink_to("sub")
    (x / "lnk").symlink_to("a.txt")
    os.mkfifo(x / "ff")
    write(x / "ünïcödé-日本", b"")
    write(x / "old", b"")
    os.utime(x / "old", ns=(981173106_789000000, 981173106_789000000))
    write(x / "two/a b")
    for size, name in ((3932159, "d3932159"), (5242880, "m5"), (5242881, "m5p"), (1000, "big60")):
        sized(x / name, size)
    foreign(x / "rootdir")
    build_v1_renames(x / "r")
    build_v1_unicode(x / "u")
    if AS_ROOT:
        (x / "special").mkdir()
        with contextlib.suppress(PermissionError):
            os.mknod(x / "special/nod", 0o20644, os.makedev(1, 3))


def build_v1_renames(r: Path) -> None:
    for name in ("f1", "f2", "f", "g1", "hn"):
        write(r / name)
    write(r / "c", mode=0o640)
    for name in ("d1", "cd"):
        (r / name).mkdir()
    write(r / "cd2/x")


def build_v1_unicode(u: Path) -> None:
    u.mkdir()
    for name in (b"bs\\303", b"inv\xff", b"nl\nx", b'q"q', b"tab\tx", "é日".encode(), '日"x'.encode()):
        (u / os.fsdecode(name)).write_bytes(b"")
    (u / "日dir").mkdir()
    (u / "ln").symlink_to("é日")
