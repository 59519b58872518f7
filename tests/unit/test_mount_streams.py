"""The option `streams` reaches what opens connections to object storage, in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from f7tfs.config import MountOptions, MountSettings
from f7tfs.config.credentials import TokenCommand
from f7tfs.mount.daemon import client_options, vfs_options


@pytest.mark.parametrize(("streams", "down", "up"), [(None, 8, 8), (1, 1, 1), (32, 32, 32)])
def test_streams_bounds_both_directions(tmp_path: Path, streams: int | None, down: int, up: int) -> None:
    options = MountOptions(streams=streams)
    settings = MountSettings("https://site", TokenCommand("true"), "cluster", None, options=options)
    assert vfs_options(settings, tmp_path).streams == down
    assert client_options(streams).storage_concurrency == up
