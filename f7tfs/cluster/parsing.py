"""From the JSON of either version to the values of the port. Pure.

What a server says of one entry may be broken without the rest being so: such an entry is left out.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from f7tfs.cluster.model import Entry, FileSystem, Identity, Kind, Stat
from f7tfs.firecrest.escapes import unescape

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFCHR: Kind.CHARACTER,
}

_SPECIAL = {2: stat.S_ISUID, 5: stat.S_ISGID, 8: stat.S_ISVTX}
"""Where in `rwxrwxrwx` a letter may stand for a special bit too, and which."""


def mode_of(permissions: str) -> int:
    """Mode bits of nine letters, as `rwsr-x--t`; what follows them (`+`, `.`) tells of ACLs and is ignored."""
    mode = 0
    for index, letter in enumerate(permissions[:9]):
        bit = 0o400 >> index
        if letter in "rwx":
            mode |= bit
        elif letter in "st":
            mode |= bit | _SPECIAL.get(index, 0)
        elif letter in "ST":
            mode |= _SPECIAL.get(index, 0)
    return mode


def usable_name(name: str) -> bool:
    """Whether a file system may show that name: one component, or in a listing of a tree a relative path."""
    parts = name.split("/")
    return "\0" not in name and all(part not in {"", ".", ".."} for part in parts)


def entry_of(item: Any, modified_key: str, target_key: str) -> Entry | None:
    """One entry of a listing; None where it cannot be one (v1 gives bare lines for device nodes)."""
    if not isinstance(item, Mapping):
        return None
    try:
        name, exact = unescape(str(item["name"]))
        permissions = str(item["permissions"])
        target, _ = unescape(str(item.get(target_key) or ""))
        return Entry(
            name=name,
            kind=Kind(str(item["type"])),
            mode=mode_of(permissions),
            user=str(item["user"]),
            group=str(item["group"]),
            size=int(item["size"]),
            modified=str(item[modified_key]),
            link_target=target,
            exact=exact,
            acl=permissions[9:10] == "+",
        )
    except (KeyError, ValueError):
        return None


def entries_of(items: Iterable[Any], modified_key: str, target_key: str) -> list[Entry]:
    """The entries of the listing of one directory."""
    found = (entry_of(item, modified_key, target_key) for item in items)
    return [entry for entry in found if entry is not None and "/" not in entry.name and usable_name(entry.name)]


def tree_of(items: Iterable[Any], modified_key: str, target_key: str, path: str) -> list[Entry]:
    """The entries of a recursive listing of `path`, with names relative to it."""
    found = (entry_of(item, modified_key, target_key) for item in items)
    relative = [_relative(entry, path) for entry in found if entry is not None]
    return [entry for entry in relative if usable_name(entry.name)]


def _relative(entry: Entry, path: str) -> Entry:
    # v1 gives names that begin with a slash when the path asked for ended with one.
    if not entry.name.startswith("/"):
        return entry
    return replace(entry, name=entry.name.removeprefix(path.rstrip("/")).lstrip("/"))


def lists_itself(items: list[Any], path: str) -> bool:
    """Whether this is what `ls` says of something that is not a directory: one entry named by the path asked for."""
    return len(items) == 1 and isinstance(items[0], Mapping) and str(items[0].get("name", "")) == path


def stat_of(item: Mapping[str, Any]) -> Stat:
    """The answer of `stat`; `mode` is the whole st_mode there. Raises ValueError or KeyError where it is not one."""
    mode = int(item["mode"])
    numbers = {name: int(item[name]) for name in ("ino", "nlink", "uid", "gid", "size", "atime", "mtime", "ctime")}
    return Stat(kind=_KINDS[stat.S_IFMT(mode)], mode=stat.S_IMODE(mode), **numbers)


def identity_of(item: Mapping[str, Any]) -> Identity:
    """Who the user is, from `userinfo` of v2 or `whoami?groups` of v1, which have the same shape."""
    user, primary = item["user"], item["group"]
    groups = [primary, *(item.get("groups") or [])]
    return Identity(
        user=str(user["name"]),
        uid=int(user["id"]),
        gid=int(primary["id"]),
        groups={int(group["id"]): str(group["name"]) for group in groups},
        accounts=_accounts(item.get("accounts") or []),
    )


def _accounts(items: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The default account first."""
    ordered = sorted(items, key=lambda item: not item.get("default", False))
    return tuple(str(item["name"]) for item in ordered)


def file_systems_of_v2(items: Iterable[Mapping[str, Any]]) -> list[FileSystem]:
    """From `fileSystems` of a system."""
    return [FileSystem(str(item["path"]), bool(item.get("defaultWorkDir", False))) for item in items]


def direct_read_of(buffer: int) -> int:
    """The largest file that comes through a buffer of so many bytes, which must hold more than its base64 text."""
    return 3 * ((buffer - 1) // 4)
