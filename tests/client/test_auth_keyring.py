"""Secrets in the keyring: with one in memory, with one that refuses, and without the library."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import keyring
import keyring.backend
import keyring.errors
import pytest

from f7tfs.firecrest import ClientsCredentialsException, Keyring


class InMemory(keyring.backend.KeyringBackend):
    """A keyring that ends with the test; locked, it refuses."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library's
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked("the keyring is locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def backend() -> Iterator[InMemory]:
    before = keyring.get_keyring()
    backend = InMemory()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_a_secret_is_kept_and_forgotten(backend: InMemory) -> None:
    store = Keyring("service")
    assert store.get("name") is None
    store.put("name", "s3cret")
    assert store.get("name") == "s3cret"
    assert backend.kept == {("service", "name"): "s3cret"}
    store.forget("name")
    store.forget("name")
    assert backend.kept == {}


def test_a_keyring_that_refuses_is_told(backend: InMemory) -> None:
    backend.locked = True
    with pytest.raises(ClientsCredentialsException, match="locked"):
        Keyring().get("name")


def test_without_the_library_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ClientsCredentialsException, match=r"f7tfs\[keyring\]"):
        Keyring().get("name")
