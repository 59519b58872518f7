"""What a request says of its sender and of what it belongs to, with all clients: API keys and correlation ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import firecrest
import pytest
import trio.lowlevel

import f7tfs.firecrest as f7t
from f7tfs.sandbox.process import SandboxProcess
from tests.client.official import DRIVERS, Place, Token, caller, prepared, tried

# The official client's own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
KEY = "a-key-of-a-service"
MIB = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"max_part_size": 5 * MIB, "ingest_poll_seconds": 0.1, "job_start_seconds": 0.05, "api_key": KEY}
    with SandboxProcess(tmp_path_factory.mktemp("identification"), **settings) as sandbox:
        yield sandbox


def module_of(driver: str) -> Any:
    return f7t if driver.startswith("f7tfs") else firecrest


# -- API keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_client_is_let_in_by_its_api_key(server: SandboxProcess, driver: str) -> None:
    with caller(driver, "v2", server.info.url_v2, module_of(driver).ApiKeyAuth(KEY)) as client:
        assert client.userinfo("cluster")["user"]["name"] == server.info.user


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("arguments", [("wrong",), (KEY, "X-Other")])
def test_no_client_is_let_in_by_a_wrong_key_or_header(
    server: SandboxProcess, driver: str, arguments: tuple[str, ...]
) -> None:
    with caller(driver, "v2", server.info.url_v2, module_of(driver).ApiKeyAuth(*arguments)) as client:
        assert tried(client.systems).status == 401


def test_a_wrong_key_is_tried_once_and_not_told(server: SandboxProcess) -> None:
    server.reset_calls()
    with (
        f7t.v2.Firecrest(server.info.url_v2, f7t.ApiKeyAuth("wrong-key")) as client,
        pytest.raises(f7t.UnauthorizedException) as raised,
    ):
        client.systems()
    assert sum(server.calls().values()) == 1
    assert "wrong-key" not in f"{raised.value} {raised.value.responses} {f7t.ApiKeyAuth('wrong-key')!r}"


def test_version_1_takes_a_key_too_and_knows_no_name_from_it(server: SandboxProcess) -> None:
    with f7t.v1.Firecrest(server.info.url_v1, f7t.ApiKeyAuth(KEY)) as client:
        assert client.whoami("cluster") == server.info.user
        assert client.whoami() is None


@pytest.mark.parametrize("arguments", [("",), ("key", "")])
def test_an_empty_key_or_header_is_refused_by_both(arguments: tuple[str, ...]) -> None:
    for module in (f7t, firecrest):
        with pytest.raises(ValueError, match="empty"):
            module.ApiKeyAuth(*arguments)


def test_the_headers_of_each_authorization_are_those_of_the_official_one(server: SandboxProcess) -> None:
    info = server.info
    for arguments in ((KEY,), (KEY, "X-Other")):
        assert f7t.ApiKeyAuth(*arguments).auth_headers() == firecrest.ApiKeyAuth(*arguments).auth_headers()
    command = "printf token"
    assert f7t.TokenCommandAuth(command).auth_headers() == firecrest.TokenCommandAuth(command).auth_headers()
    ((name, value),) = (
        f7t.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url).auth_headers().items()
    )
    assert (name, value.startswith("Bearer ")) == ("Authorization", True)


def test_an_object_of_ones_own_may_give_headers_blocking_or_not(server: SandboxProcess) -> None:
    class Blocking:
        def auth_headers(self) -> dict[str, str]:
            return {"X-API-Key": KEY}

    class Asynchronous:
        async def auth_headers(self) -> dict[str, str]:
            await trio.lowlevel.checkpoint()
            return {"X-API-Key": KEY}

    for authorization in (Blocking(), Asynchronous(), firecrest.ApiKeyAuth(KEY)):
        with f7t.v2.Firecrest(server.info.url_v2, authorization) as client:
            assert client.systems()


def test_a_token_is_kept_where_an_object_gives_headers_as_well(server: SandboxProcess) -> None:
    class Counted(firecrest.ClientCredentialsAuth):
        asked = 0

        def get_access_token(self) -> str:
            self.asked += 1
            return str(super().get_access_token())

    official = Counted(server.info.client_id, server.info.client_secret, server.info.token_url)
    with f7t.v2.Firecrest(server.info.url_v2, official) as client:
        client.systems()
        client.systems()
    assert official.asked == 1


# -- request and correlation ids ---------------------------------------------------------------------


def traced(server: SandboxProcess) -> tuple[list[str | None], list[str | None]]:
    """The correlation and request ids of the last calls."""
    traces = [trace for trace in server.traces() if "/auth/token" not in trace["call"]]
    return [trace["correlation_id"] for trace in traces], [trace["request_id"] for trace in traces]


@pytest.fixture
def place(server: SandboxProcess, tmp_path: Path) -> Place:
    return prepared(server, tmp_path / "near", tmp_path.name)


@pytest.mark.parametrize("driver", DRIVERS)
def test_all_requests_inside_carry_the_id_that_is_given(server: SandboxProcess, place: Place, driver: str) -> None:
    with caller(driver, "v2", server.info.url_v2, Token(server.token(seconds=3600))) as client:
        server.reset_calls()
        with module_of(driver).correlation_id("a-workflow") as given:
            client.cp(place.system, f"{place.far}/text", f"{place.far}/copy")
            client.systems()
        client.systems()
    correlations, requests = traced(server)
    assert given == "a-workflow"
    assert len(correlations) > 3
    assert set(correlations[:-1]) == {"a-workflow"}
    assert correlations[-1] not in {"a-workflow", None}
    assert len(set(requests) - {None}) == len(requests)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_requests_of_each_call_share_an_id_of_their_own(
    server: SandboxProcess, place: Place, driver: str
) -> None:
    with caller(driver, "v2", server.info.url_v2, Token(server.token(seconds=3600))) as client:
        server.reset_calls()
        client.cp(place.system, f"{place.far}/text", f"{place.far}/copy")
        client.systems()
    correlations, _ = traced(server)
    assert len(correlations) > 2
    assert len(set(correlations[:-1])) == 1
    assert len(set(correlations)) == 2
    assert None not in correlations


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_requests_of_a_transfer_belong_to_the_call_that_began_it(
    server: SandboxProcess, place: Place, driver: str
) -> None:
    with caller(driver, "v2", server.info.url_v2, Token(server.token(seconds=3600))) as client:
        server.reset_calls()
        transfer = client.upload(place.system, str(place.near / "large"), place.far, "there", blocking=False)
        transfer.upload_file_to_stage()
        transfer.wait_for_transfer_job()
    correlations, _ = traced(server)
    assert len(correlations) > 1
    assert len(set(correlations)) == 1


def test_repetitions_of_a_request_share_the_id_and_have_request_ids_of_their_own(server: SandboxProcess) -> None:
    with f7t.v2.Firecrest(server.info.url_v2, Token(server.token(seconds=3600))) as client:
        server.reset_calls()
        server.faults({"match": "/status/systems", "status": 503, "count": 2})
        client.systems()
    correlations, requests = traced(server)
    assert (len(correlations), len(set(correlations)), len(set(requests))) == (3, 1, 3)


def test_a_random_id_is_given_where_none_is_told_and_the_outer_one_comes_back(server: SandboxProcess) -> None:
    with f7t.correlation_id() as outer, f7t.correlation_id() as inner:
        assert outer != inner
    with f7t.v1.Firecrest(server.info.url_v1, Token(server.token(seconds=3600))) as client:
        server.reset_calls()
        with f7t.correlation_id() as outer:
            with f7t.correlation_id("inner"):
                client.stat("cluster", server.info.home)
            client.stat("cluster", server.info.home)
    assert traced(server)[0] == ["inner", outer]
