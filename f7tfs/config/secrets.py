"""Secrets in files of mode 0600, where there is no keyring."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from f7tfs.config.private import ConfigError, read_private
from f7tfs.config.profiles import write_private


class SecretFiles:
    """Keeps secrets by name, each in a file of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def file(self, name: str) -> Path:
        """Where the secret of that name is; readable, and two names never share one."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
        return self._directory / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"

    def get(self, name: str) -> str | None:
        """The secret; None where there is none. Raises ConfigError when others can read it."""
        file = self.file(name)
        return read_private(file).strip() if file.exists() else None

    def put(self, name: str, secret: str) -> None:
        """Keep a secret. Raises ConfigError when it cannot be written."""
        try:
            write_private(self.file(name), secret + "\n")
            self._directory.chmod(0o700)
        except OSError as error:
            raise ConfigError(f"{self.file(name)}: {error.strerror}", "the secret needs a place to be kept") from None

    def forget(self, name: str) -> None:
        """Remove a secret, if there is one."""
        self.file(name).unlink(missing_ok=True)
