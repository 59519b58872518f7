"""What is said where a mount does not begin: by a late daemon, by refused credentials, by a service of the site."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from f7tfs.cli.checks import examination, here, way
from f7tfs.cli.checks.findings import Finding, ok
from f7tfs.cli.site_check import _told
from f7tfs.cluster.connect import _said
from f7tfs.cluster.errors import Unauthorized
from f7tfs.config import ClientCredentials, MountSettings
from f7tfs.mount.background import _await_report
from f7tfs.mount.errors import MountError


@pytest.mark.parametrize(("logged", "told"), [(0, "its log tells more"), (5, "it has logged nothing")])
def test_a_late_daemon_has_its_log_named_where_it_wrote_one(tmp_path: Path, logged: int, told: str) -> None:
    log = tmp_path / "log"
    log.write_text("12345")
    receiving, sending = os.pipe()
    try:
        with pytest.raises(MountError, match="did not get ready") as caught:
            _await_report(receiving, log, logged, 0.0)
    finally:
        os.close(receiving)
        os.close(sending)
    assert told in caught.value.cure


def test_refused_credentials_of_the_environment_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRECREST_CLIENT_ID", "FIRECREST_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    asked = _told("https://site", Unauthorized("wrong"))
    monkeypatch.setenv("FIRECREST_CLIENT_SECRET", "x")
    given = _told("https://site", Unauthorized("wrong"))
    assert isinstance(asked, MountError)
    assert isinstance(given, MountError)
    assert asked.cure == "check them, and f7tfs login again"
    assert given.cure.startswith("check FIRECREST_CLIENT_SECRET, which")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (None, ""),
        ("timeout", "timeout"),
        ("[{'mode': 'primary', 'hostname': 'vm', 'pinged': 'UP'}]", "primary vm UP"),
        ("[no list", "[no list"),
    ],
)
def test_what_a_service_says_is_words(message: object, told: str) -> None:
    assert _said(message) == told


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("https://auth.example.org/token", {"the API: found", "the identity provider: found"}),
        ("https://api.example.org/token", {"found"}),
    ],
)
def test_two_hosts_are_told_apart(provider: str, told: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "names", lambda _urls: iter([ok("name", "found")]))
    monkeypatch.setattr(way, "connections", lambda _urls, _ca: iter([ok("connection", "found")]))
    monkeypatch.setattr(here, "fuse", lambda **_: iter(()))
    monkeypatch.setattr(examination, "unlocked", lambda credentials: credentials)
    monkeypatch.setattr(trio, "run", lambda *_: None)
    found: list[Finding] = []
    credentials = ClientCredentials(provider, "me", "secret")
    settings = MountSettings("https://api.example.org/v2", credentials, "daint", None)
    examination._examine(settings, (), found.append)
    assert {each.found for each in found if each.check in ("name", "connection")} == told
