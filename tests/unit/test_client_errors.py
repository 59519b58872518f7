"""Each error of the tree has the responses that led to it, and says what was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

import f7tfs.firecrest as f7t
from f7tfs.firecrest import errors
from f7tfs.firecrest.auth import Authorization
from tests.unit.object_server import running

Answer = httpx.Response | Exception
JOB = {"jobId": "7", "logs": {"outputLog": "/o", "errorLog": "/e"}}
MOVED = httpx.Response(201, json={"transferJob": JOB})
STARTED = httpx.Response(201, json={"task_id": "t1"})
FILE = httpx.Response(200, json={"output": {"mode": 0o100644, "size": 6 * 2**20}})


def ended(state: str) -> httpx.Response:
    return httpx.Response(200, json={"jobs": [{"status": {"state": state}}]})


def task(status: str) -> httpx.Response:
    return httpx.Response(200, json={"task": {"task_id": "t1", "status": status, "data": "why not"}})


class Server:
    """Gives the answers it was told, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def v1(use: Callable[[f7t.v1.AsyncFirecrest], Awaitable[Any]], *answers: Answer) -> None:
    transport = httpx.MockTransport(Server(*answers))

    async def main() -> None:
        options = f7t.Options(transport=transport, storage_transport=transport)
        async with f7t.v1.AsyncFirecrest("https://f7t.test", f7t.StaticToken("t"), options=options) as client:
            await use(client)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def v2(
    use: Callable[[f7t.v2.AsyncFirecrest], Awaitable[Any]], *answers: Answer, auth: Authorization | None = None
) -> None:
    transport = httpx.MockTransport(Server(*answers))

    async def main() -> None:
        options = f7t.Options(transport=transport, storage_transport=transport)
        async with f7t.v2.AsyncFirecrest("https://f7t.test", auth or f7t.StaticToken("t"), options=options) as client:
            await use(client)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def stat(client: f7t.v2.AsyncFirecrest) -> Awaitable[Any]:
    return client.stat("cluster", "/p")


def provider(*answers: Answer) -> Authorization:
    transport = httpx.MockTransport(Server(*answers))
    return f7t.ClientCredentials("id", "secret", "https://idp.test/token?x=1", transport=transport)


def refused_parts(local: Path) -> None:
    with running() as store:
        store.refusals = [403]
        told = {"partsUploadUrls": [store.url], "maxPartSize": 9**9}
        answer = httpx.Response(201, json={"transferJob": JOB, "transferDirectives": told})
        v2(lambda c: c.upload("cluster", local, "/d", "f"), answer)


STAT = "GET /filesystem/cluster/ops/stat path=/p"
SYSTEMS = httpx.Response(200, json={"systems": [{"name": "cluster", "dataOperation": {"data_transfer": None}}]})
URL = {"transferDirectives": {"downloadUrl": "https://s3.test/b/k?X-Amz-Signature=secret"}}

# How each comes about, the statuses of its responses, and what has been asked that its text has to say.
PROVOKED: dict[type[f7t.FirecrestException], tuple[Callable[[Path], None], list[int], str]] = {
    f7t.UnexpectedStatusException: (lambda _: v2(stat, httpx.Response(500, json={"message": "no"})), [500], STAT),
    f7t.UnauthorizedException: (lambda _: v2(stat, httpx.Response(401, json={"message": "no"})), [401], STAT),
    f7t.NotFound: (lambda _: v2(stat, httpx.Response(404, json={"message": "no"})), [404], STAT),
    f7t.HeaderException: (
        lambda _: v1(
            lambda c: c.mv("cluster", "/a", "/b"), httpx.Response(400, headers={"X-Exists": "yes"}, json={})
        ),
        [400],
        "PUT /utilities/rename sourcePath=/a targetPath=/b",
    ),
    f7t.ClientsCredentialsException: (
        lambda _: v2(stat, FILE, auth=provider(httpx.Response(400, json={"error": "invalid_client"}))),
        [400],
        "POST https://idp.test/token",
    ),
    f7t.NoJSONException: (lambda _: v2(stat, httpx.Response(200, text="<html>hello</html>")), [200], STAT),
    f7t.StorageDownloadException: (
        lambda here: v2(
            lambda c: c.download("cluster", "/p", here / "f"),
            FILE,
            httpx.Response(201, json={"transferJob": JOB, **URL}),
            ended("COMPLETED"),
            httpx.Response(403, text="<Error>expired</Error>"),
        ),
        [200, 201, 200, 403],
        "GET https://s3.test/b/k",
    ),
    f7t.StorageUploadException: (
        lambda here: refused_parts(large(here)),
        [201, 403],
        "PUT http://127.0.0.1:",
    ),
    f7t.TaskException: (lambda _: v1(lambda c: c.poll("cluster"), STARTED, task("400")), [201, 200], "GET /tasks/t1"),
    f7t.StagingFailed: (
        lambda here: v1(lambda c: fetched(c, here / "f"), STARTED, task("116"), task("118")),
        [200, 200],
        "GET /tasks/t1",
    ),
    f7t.UnsupportedTransferMethod: (
        lambda here: v2(lambda c: c.download("cluster", "/p", here), FILE, httpx.Response(400, json={}), SYSTEMS),
        [200, 400, 200],
        "cluster",
    ),
    f7t.TransferJobFailedException: (
        lambda _: v2(
            lambda c: c.mv("cluster", "/a", "/b"),
            MOVED,
            ended("FAILED"),
            httpx.Response(200, json={"output": {"content": "mv: no"}}),
        ),
        [201, 200, 200],
        "job 7: mv: no",
    ),
    f7t.WaitTimedOut: (
        lambda _: v2(lambda c: c.wait_for_job("cluster", "7", timeout=0.6), ended("RUNNING")),
        [200],
        "job 7",
    ),
    f7t.ConnectionFailed: (lambda _: v2(stat, httpx.ConnectError("refused")), [], STAT),
    f7t.RequestTimedOut: (lambda _: v2(stat, httpx.ReadTimeout("")), [], STAT),
    f7t.Uncertain: (
        lambda _: v2(lambda c: c.mkdir("cluster", "/p"), httpx.ReadError("gone")),
        [],
        "POST /filesystem/cluster/ops/mkdir sourcePath=/p",
    ),
}


def large(directory: Path) -> Path:
    with (directory / "large").open("wb") as file:
        file.truncate(6 * 2**20)
    return directory / "large"


async def fetched(client: f7t.v1.AsyncFirecrest, target: Path) -> None:
    await (await client.external_download("cluster", "/p")).finish_download(target)


def tree(root: type[f7t.FirecrestException]) -> set[type[f7t.FirecrestException]]:
    return {root}.union(*(tree(kind) for kind in root.__subclasses__()))


@pytest.mark.parametrize("kind", PROVOKED, ids=lambda kind: kind.__name__)
def test_each_error_has_its_responses_and_says_what_was_asked(
    kind: type[f7t.FirecrestException], tmp_path: Path
) -> None:
    provoke, statuses, asked = PROVOKED[kind]
    with pytest.raises(f7t.FirecrestException) as raised:
        provoke(tmp_path)
    error = raised.value
    assert type(error) is kind
    assert [response.status_code for response in error.responses] == statuses
    assert all(response.request for response in error.responses)
    assert asked in f"{error} {[response.request for response in error.responses][-1:]}"
    assert "secret" not in f"{error!r} {error.responses!r}"


def test_the_whole_tree_is_provoked_and_exported() -> None:
    kinds = {kind for kind in tree(f7t.FirecrestException) if kind.__module__ == errors.__name__}
    # The last one is for those who catch it: here the server's own answer is raised.
    assert kinds - {f7t.FirecrestException, f7t.NotImplementedOnAPIversion} == PROVOKED.keys()
    assert all(getattr(f7t, kind.__name__) is kind for kind in kinds)


def test_a_failed_staging_is_caught_as_the_official_client_names_it() -> None:
    assert issubclass(f7t.StagingFailed, f7t.StorageDownloadException)
    assert issubclass(f7t.StagingFailed, f7t.TaskException)
