"""Files that hold a secret, and the error of this package."""

from __future__ import annotations

import stat
from pathlib import Path

from f7tfs.errors import UserError


class ConfigError(UserError):
    """What is wrong with the settings."""

    default_cure = "f7tfs mount --help names the settings; f7tfs login writes a profile of them"


def read_private(file: Path) -> str:
    """The text of a file that holds a secret. Raises ConfigError when others may read it."""
    require_private(file)
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from None


def require_private(file: Path) -> None:
    """Raise ConfigError unless only its owner may read and write a file."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigError(f"{file} holds a secret, and others can read it (mode {mode:04o})", f"chmod 600 {file}")
