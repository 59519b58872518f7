"""The values that options take, and the options of `-o` and of a profile's `options` table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from f7tfs.config.layer import WRITE_MODES, Settings, WriteMode
from f7tfs.config.private import ConfigError

MOST_STREAMS = 64
_CURE = "docs/reference/settings.md tells what each option takes"


def api_version(text: str) -> str:
    """The major version: 2, v2 and 2.3.1 are `2`."""
    found = re.fullmatch(r"v?([12])(\.\d+)*", text.strip(), re.IGNORECASE)
    if not found:
        raise ConfigError(f"no such API version: {text!r}", "it is 1 or 2")
    return found[1]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text is wanted")
    return value


def _zone(value: object) -> str:
    """The name of a time zone that there is, or an offset as UTC+01:00."""
    # Only who names a zone waits for the module.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    name = _text(value)
    if re.fullmatch(r"UTC[+-]\d\d?:[0-5]\d", name):
        return name
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone; one is wanted as Europe/Zurich") from None
    return name


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it takes no value")  # noqa: TRY004  options_from_table turns it into a ConfigError
    return value


def _number(value: object) -> int:
    number = value
    if isinstance(value, str):
        with suppress(ValueError):
            number = int(value, 10)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError("a number is wanted")
    return number


def _bytes(value: object) -> int:
    found = re.fullmatch(r"(\d+)([KMGT]?)", value) if isinstance(value, str) else None
    if found is not None:
        return int(found[1]) << 10 * " KMGT".index(found[2] or " ")
    if isinstance(value, str):
        raise ValueError("bytes are wanted, as 500M or 20G")  # noqa: TRY004  as below
    return _number(value)


def _count(value: object) -> int:
    number = _number(value)
    if not 1 <= number <= MOST_STREAMS:
        raise ValueError(f"a number from 1 to {MOST_STREAMS} is wanted")
    return number


def _octal(value: object) -> int:
    wrong = "an octal mode is wanted, as 022"
    try:
        number = int(value, 8) if isinstance(value, str) else _number(value)
    except ValueError:
        raise ValueError(wrong) from None
    if not 0 <= number <= 0o777:
        raise ValueError(wrong)
    return number


def _seconds(value: object) -> float:
    seconds = float("nan")
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        with suppress(ValueError):
            seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError("a number of seconds is wanted")
    return seconds


def _port(value: object) -> int:
    number = _number(value)
    if not 0 < number < 65536:
        raise ValueError("a port is wanted")
    return number


def _write_mode(value: object) -> WriteMode:
    for mode in WRITE_MODES:
        if value == mode:
            return mode
    raise ValueError("one of " + ", ".join(WRITE_MODES))


def _name(value: object) -> str:
    if not isinstance(value, str) or "/" in value or value in {".", ".."}:
        raise ValueError("a name is wanted; an empty one for none")
    return value


def _path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("an absolute path is wanted")
    return value


def _environment(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("a table of texts is wanted, so this can only be set in a profile")
    return tuple((str(name), str(text)) for name, text in value.items())


# The options of `-o` and of a profile's `options` table: name -> (field, how to read the value).
_OPTIONS: dict[str, tuple[str, Callable[[object], object]]] = {
    "ro": ("read_only", _flag),
    "read_only": ("read_only", _flag),
    "allow_other": ("allow_other", _flag),
    "noexec": ("noexec", _flag),
    "noatime": ("noatime", _flag),
    "debug": ("debug", _flag),
    "uid": ("uid", _number),
    "gid": ("gid", _number),
    "umask": ("umask", _octal),
    "map_links": ("map_links", _flag),
    "default_permissions": ("default_permissions", _flag),
    "attribute_timeout": ("attribute_timeout", _seconds),
    "nobulk": ("nobulk", _flag),
    "noburst": ("noburst", _flag),
    "gather": ("gather", _seconds),
    "nowindows": ("nowindows", _flag),
    "append": ("append", _flag),
    "verify": ("verify", _flag),
    "streams": ("streams", _count),
    "staging_deadline": ("staging_deadline", _seconds),
    "deadline": ("deadline", _seconds),
    "drain_timeout": ("drain_timeout", _seconds),
    "write_mode": ("write_mode", _write_mode),
    "zone": ("zone", _zone),
    "metrics": ("metrics", _port),
    "cache_size": ("cache_size", _bytes),
    "cache_reserve": ("cache_reserve", _bytes),
    "jobs_name": ("jobs_name", _name),
    "list_jobs": ("list_jobs", _flag),
    "nocancel": ("nocancel", _flag),
    "keep_scripts": ("keep_scripts", _flag),
    "jobs_interval": ("jobs_interval", _seconds),
    "job_workdir": ("job_workdir", _path),
    "job_environment": ("job_environment", _environment),
}


# What mount(8) and systemd say to each other, or what holds anyway: libfuse mounts nosuid and nodev, and no access
# times are kept.
_IGNORED = frozenset(
    {"defaults", "auto", "noauto", "user", "nouser", "users", "group", "owner", "nofail", "_netdev"}
    | {"suid", "nosuid", "dev", "nodev", "async", "sync", "dirsync", "silent", "loud", "atime"}
    | {"diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime"}
)
_OPPOSITES = {"rw": ("ro", "read_only"), "exec": ("noexec", "noexec")}


def options_from_text(text: str) -> Settings:
    """Settings from a comma list as in `-o ro,uid=1000`; the last word holds. Unknown options are refused."""
    table: dict[str, object] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, given, value = item.partition("=")
        if item in _OPPOSITES:
            undone, denied = _OPPOSITES[item]
            table.pop(undone, None)
            table[denied] = False
        elif not _is_ignored(item, name):
            table[name] = value if given else True
    return options_from_table(table, "-o ")


def _is_ignored(item: str, name: str) -> bool:
    return item in _IGNORED or name in {"user", "comment"} or name.startswith(("x-", "X-"))


def options_from_table(table: Mapping[str, object], where: str = "") -> Settings:
    """Settings from option names and values. Raises ConfigError for unknown names and wrong values."""
    chosen: dict[str, Any] = {}
    for name, value in table.items():
        if name not in _OPTIONS:
            raise ConfigError(f"unknown option {where}{name}", f"known: {', '.join(sorted(_OPTIONS))}")
        target, read = _OPTIONS[name]
        try:
            chosen[target] = read(value)
        except ValueError as error:
            raise ConfigError(f"{where}{name}={value}: {error}", _CURE) from None
    return Settings(**chosen)
