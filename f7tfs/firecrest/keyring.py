"""Secrets in the keyring of the user's desktop or system; needs the extra `keyring`."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any, Protocol

from f7tfs.firecrest.errors import ClientsCredentialsException


class SecretStore(Protocol):
    """Keeps secrets by name. Its methods may block, and raise ClientsCredentialsException."""

    def get(self, name: str) -> str | None:
        """The secret; None where there is none."""

    def put(self, name: str, secret: str) -> None:
        """Keep a secret."""

    def forget(self, name: str) -> None:
        """Remove a secret, if there is one."""


class Keyring:
    """The entries of one service in the user's keyring."""

    def __init__(self, service: str = "f7tfs") -> None:
        self._service = service

    def get(self, name: str) -> str | None:
        """The secret; None where there is none."""
        with _keyring() as keyring:
            found = keyring.get_password(self._service, name)
            return None if found is None else str(found)

    def put(self, name: str, secret: str) -> None:
        """Keep a secret."""
        with _keyring() as keyring:
            keyring.set_password(self._service, name, secret)

    def forget(self, name: str) -> None:
        """Remove a secret, if there is one."""
        with _keyring() as keyring:
            if keyring.get_password(self._service, name) is not None:
                keyring.delete_password(self._service, name)


def keyring_works() -> bool:
    """Whether there is a keyring that keeps secrets; a file is the other way."""
    try:
        with _keyring() as keyring:
            return float(keyring.get_keyring().priority) > 0
    except (ClientsCredentialsException, TypeError, ValueError, AttributeError, RuntimeError):
        return False


@contextlib.contextmanager
def _keyring() -> Iterator[Any]:
    """The library, which is imported only where it is used. Its errors become ours."""
    try:
        keyring, errors = importlib.import_module("keyring"), importlib.import_module("keyring.errors")
    except ImportError as error:
        raise ClientsCredentialsException(message="no keyring: install f7tfs[keyring]") from error
    try:
        yield keyring
    except errors.KeyringError as error:
        raise ClientsCredentialsException(message=f"the keyring gives no secrets: {error}") from error
