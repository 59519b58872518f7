"""A system that moves large files by a streamer only: they are refused in plain words, small ones go as ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import f7tfs.firecrest as f7t
from f7tfs.sandbox.process import SandboxProcess
from tests.client.official import DRIVERS, Place, Token, caller, prepared, tried

# The official client's own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
OURS = DRIVERS[:2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"transfer_method": "streamer", "job_start_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("streamer"), **settings) as sandbox:
        yield sandbox


@pytest.fixture
def place(server: SandboxProcess, tmp_path: Path) -> Place:
    return prepared(server, tmp_path / "near", tmp_path.name)


@pytest.fixture(params=OURS)
def client(request: pytest.FixtureRequest, server: SandboxProcess) -> Iterator[Any]:
    with caller(request.param, "v2", server.info.url_v2, Token(server.token(seconds=3600))) as client:
        server.reset_calls()
        yield client


def test_the_system_tells_how_large_files_go(client: Any) -> None:
    assert client.systems()[0]["dataOperation"]["data_transfer"]["serviceType"] == "streamer"


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("method", ["s3", "streamer"])
def test_a_large_file_is_refused_and_no_job_is_left(
    server: SandboxProcess, client: Any, place: Place, way: str, method: str
) -> None:
    large, there, back = str(place.near / "large"), f"{place.far}/large", str(place.near / "back")
    transfer, arguments = {
        "up": (client.upload, (large, place.far, "there")),
        "down": (client.download, (there, back)),
    }[way]
    with pytest.raises(f7t.UnsupportedTransferMethod, match="streamer"):
        transfer(place.system, *arguments, transfer_method=method)
    assert not (place.real / "there").exists()
    assert not (place.near / "back").exists()
    assert client.job_info(place.system) == []


def test_a_refusal_has_the_responses_that_led_to_it(client: Any, place: Place) -> None:
    with pytest.raises(f7t.UnsupportedTransferMethod) as raised:
        client.download(place.system, f"{place.far}/large", str(place.near / "back"))
    assert [reply.status_code for reply in raised.value.responses] == [200, 400, 200]
    assert "not available" in raised.value.responses[1].text


def test_a_small_file_goes_as_ever(client: Any, place: Place) -> None:
    client.upload(place.system, str(place.near / "small"), place.far, "there")
    client.download(place.system, f"{place.far}/there", str(place.near / "back"))
    assert (place.near / "back").read_bytes() == b"small"


@pytest.mark.parametrize("driver", DRIVERS)
def test_object_storage_is_no_way_for_any_client(server: SandboxProcess, place: Place, driver: str) -> None:
    with caller(driver, "v2", server.info.url_v2, Token(server.token(seconds=3600))) as client:
        failed = tried(lambda: client.upload(place.system, str(place.near / "large"), place.far, "there"))
    assert "FirecrestException" in failed.names
    assert not (place.real / "there").exists()
