"""Archives as a transport."""

from __future__ import annotations

import subprocess
from pathlib import Path

from f7tfs.cluster.model import Kind
from f7tfs.vfs.archive import Member, write_archive


def test_gnu_tar_makes_of_it_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"content")
    members = [
        Member("empty", Kind.FILE, 0o600, 1_600_000_000_123_456_789),
        Member("full", Kind.FILE, 0o640, 1_500_000_000_000_000_000, source=tmp_path / "content"),
        Member("dir", Kind.DIRECTORY, 0o700, 1_400_000_000_000_000_000),
        Member("link", Kind.SYMLINK, 0o777, 0, target="../a b/ü"),
        Member("it's  ünïcödé\nand more", Kind.FILE, 0o644, 0),
    ]
    write_archive(tmp_path / "a.tar.gz", members)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xpzf", tmp_path / "a.tar.gz", "-C", tmp_path / "out"], check=True)
    out = tmp_path / "out"
    assert (out / "empty").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (out / "empty").stat().st_mode & 0o777 == 0o600
    assert (out / "full").read_bytes() == b"content"
    assert (out / "dir").stat().st_mode & 0o777 == 0o700
    assert str((out / "link").readlink()) == "../a b/ü"
    assert (out / "it's  ünïcödé\nand more").read_bytes() == b""
