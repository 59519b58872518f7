"""The file of profiles: read by every command, written by `f7tfs login` and `f7tfs profiles`.

default = "daint"

[profiles.daint]
url = "https://api.example.org/hpc/firecrest/v2"
system = "daint"
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from f7tfs.config.private import ConfigError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

HINT = "f7tfs profiles lists them, f7tfs login makes one; a directory is written SYSTEM:/path or PROFILE:/path"


def config_file() -> Path:
    """Where the profiles are; F7TFS_CONFIG names another file."""
    if chosen := os.environ.get("F7TFS_CONFIG"):
        return Path(chosen)
    return platformdirs.user_config_path("f7tfs") / "config.toml"


def secrets_directory(file: Path) -> Path:
    """Where secrets lie that are not in a keyring, each in a file of mode 0600."""
    return file.parent / "secrets"


def read_profiles(file: Path) -> tuple[dict[str, Any], str | None]:
    """The profiles by name, as they are written, and the name of the default one."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}", "correct it, or move it away and f7tfs login again") from None
    profiles, default = table.get("profiles", {}), table.get("default")
    if not isinstance(profiles, dict):
        raise ConfigError(f"{file}: profiles is not a table", "a profile begins with [profiles.NAME]")
    return profiles, default


def check_name(name: str) -> str:
    """A name that can stand where `SYSTEM:/path` can. Raises ConfigError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"{name!r} cannot name a profile", "use letters, digits and . _ -")
    return name


def write_profile(file: Path, name: str, profile: Mapping[str, object], *, default: bool) -> list[str]:
    """Add one profile, or log in anew to its site: what a login does not say there stays. An empty text takes it out.

    The rest of the file stays as it is, comments too. Returns the names of what was kept.
    """
    known, before = read_profiles(file)
    kept = kept_of(known.get(name), profile)

    def change(document: TOMLDocument) -> None:
        import tomlkit

        if "profiles" not in document:
            document.add("profiles", tomlkit.table(is_super_table=True))
        if not kept:
            document["profiles"][name] = tomlkit.table()
        table = document["profiles"][name]
        for key in [key for key in table if key not in kept and key not in profile]:
            del table[key]
        for key, value in profile.items():
            if value == "":
                table.pop(key, None)
            else:
                table[key] = value

    _edit(file, change, name if default or (before is None and not known) else None)
    return kept


def kept_of(earlier: object, profile: Mapping[str, object]) -> list[str]:
    """What stays of an earlier profile when a login writes it again: nothing of another site, no credentials."""
    if not isinstance(earlier, dict) or earlier.get("url") != profile["url"]:
        return []
    names = ["proxy", "ca_file", "options"]
    if profile.get("system", earlier.get("system")) == earlier.get("system"):
        names += ["path", "account"]
    return [name for name in names if name in earlier and name not in profile]


def set_default(file: Path, name: str) -> None:
    """Make a profile the default one. Raises ConfigError when it is not there."""
    _require(file, name)
    _edit(file, lambda _document: None, name)


def remove_profile(file: Path, name: str) -> dict[str, Any]:
    """Take a profile out; returns what it was. Raises ConfigError when it is not there."""
    profile: dict[str, Any] = _require(file, name)

    def change(document: TOMLDocument) -> None:
        del document["profiles"][name]
        if document.get("default") == name:
            del document["default"]

    _edit(file, change)
    return profile


def _require(file: Path, name: str) -> Any:
    profiles, _ = read_profiles(file)
    if name not in profiles:
        raise ConfigError(f"no profile {name!r} in {file} (there: {', '.join(sorted(profiles)) or 'none'})", HINT)
    return profiles[name]


def _edit(file: Path, change: Callable[[TOMLDocument], None], default: str | None = None) -> None:
    # Loaded here, since only these commands write.
    import tomlkit

    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8") if file.exists() else "")
        change(document)
        if default is not None and "default" in document:
            document["default"] = default
        elif default is not None:
            # Before all tables, or it would belong to one of them.
            document = tomlkit.parse(f'default = "{default}"\n\n{tomlkit.dumps(document)}')
        write_private(file.resolve(), tomlkit.dumps(document))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}", "correct it, or move it away and f7tfs login again") from None


def write_private(file: Path, text: str) -> None:
    """Replace a file at once by one of mode 0600. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
