"""v2: a system that moves large files in another way than by object storage is refused, in words that say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from f7tfs.firecrest import Options, StaticToken, UnexpectedStatusException, UnsupportedTransferMethod, v2

SIZE = 6 * 2**20
JOB = {"jobId": "7", "system": "cluster", "workingDirectory": "/home/u", "logs": {"outputLog": "o", "errorLog": "e"}}
Use = Callable[[v2.AsyncFirecrest], Any]


class Site:
    """A system whose large files go by `method`; it starts such a job, or answers with `status`."""

    def __init__(self, method: str | None, status: int = 201) -> None:
        self._method = method
        self._status = status
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/status/systems":
            transfer = self._method and {"serviceType": self._method}
            return httpx.Response(
                200, json={"systems": [{"name": "Cluster", "dataOperation": {"data_transfer": transfer}}]}
            )
        if request.url.path.endswith("/ops/stat"):
            return httpx.Response(200, json={"output": {"mode": 0o100644, "size": SIZE}})
        if request.method == "DELETE":
            return httpx.Response(204)
        if self._status != 201:
            return httpx.Response(self._status, json={"message": "no"})
        return httpx.Response(
            201, json={"transferJob": JOB, "transferDirectives": {"transferMethod": self._method, "coordinates": "x"}}
        )


def call(site: Site, use: Use) -> None:
    async def main() -> None:
        options = Options(transport=httpx.MockTransport(site))
        async with v2.AsyncFirecrest("https://f7t.test", StaticToken("t"), options=options) as client:
            await use(client)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture(params=["upload", "download"])
def transfer(request: pytest.FixtureRequest, tmp_path: Path) -> Use:
    local = tmp_path / "f"
    with local.open("wb") as file:
        file.truncate(SIZE)
    if request.param == "upload":
        return lambda client: client.upload("cluster", local, "/home/u", "f")
    return lambda client: client.download("cluster", "/home/u/f", local)


@pytest.mark.parametrize("method", ["streamer", "wormhole"])
def test_a_job_that_waits_for_another_kind_of_peer_is_cancelled(transfer: Use, method: str) -> None:
    site = Site(method)
    with pytest.raises(UnsupportedTransferMethod, match=method):
        call(site, transfer)
    assert site.asked[-1] == "DELETE /compute/cluster/jobs/7"


@pytest.mark.parametrize(("method", "told"), [("streamer", "streamer"), (None, "nothing")])
@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_is_explained_by_what_the_system_offers(
    transfer: Use, status: int, method: str | None, told: str
) -> None:
    site = Site(method, status)
    with pytest.raises(UnsupportedTransferMethod, match=told) as raised:
        call(site, transfer)
    assert [reply.status_code for reply in raised.value.responses][-2:] == [status, 200]
    assert site.asked.count("GET /status/systems") == 1


@pytest.mark.parametrize(("method", "status"), [("s3", 500), ("streamer", 404)])
def test_other_refusals_are_told_as_they_are(transfer: Use, method: str, status: int) -> None:
    site = Site(method, status)
    with pytest.raises(UnexpectedStatusException) as raised:
        call(site, transfer)
    assert raised.value.status == status
