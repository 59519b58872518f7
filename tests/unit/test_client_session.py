"""One call: what is sent, what is repeated, what is told of a failure."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import pytest
import trio
import trio.testing

from f7tfs.firecrest.auth import StaticToken
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.errors import (
    ConnectionFailed,
    FirecrestException,
    HeaderException,
    NoJSONException,
    NotFound,
    RequestTimedOut,
    UnauthorizedException,
    Uncertain,
    UnexpectedStatusException,
)
from f7tfs.firecrest.limiter import background
from f7tfs.firecrest.retry import RetryPolicy
from f7tfs.firecrest.session import Options

T = TypeVar("T")
Answer = httpx.Response | Exception
STAT = {"mode": 33188, "ino": 1, "nlink": 1, "uid": 1, "gid": 1, "size": 1, "atime": 0, "mtime": 0, "ctime": 0}


class Server:
    """Gives the answers it was told, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Renewing:
    """Gives another token after each rejection."""

    def __init__(self) -> None:
        self._number = 1

    async def get_access_token(self) -> str:
        return f"t{self._number}"

    def reject(self, token: str) -> None:
        assert token == f"t{self._number}"
        self._number += 1


def call_v2(server: Server, use: Callable[[FirecrestV2], Awaitable[T]], auth: Any = None) -> T:
    async def main() -> T:
        options = Options(transport=httpx.MockTransport(server))
        async with FirecrestV2("https://f7t.test/base/", auth or StaticToken("tok"), options) as client:
            return await use(client)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def call_v1(server: Server, use: Callable[[FirecrestV1], Awaitable[T]]) -> T:
    async def main() -> T:
        options = Options(transport=httpx.MockTransport(server))
        async with FirecrestV1("https://f7t.test", StaticToken("tok"), options) as client:
            return await use(client)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def ok(body: Any = None) -> httpx.Response:
    return httpx.Response(200, json={"output": STAT if body is None else body})


def fail(status: int, message: str = "no", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"message": message}, headers=headers)


def stat(client: FirecrestV2) -> Awaitable[dict[str, int]]:
    return client.stat("cluster", "/p")


def mkdir(client: FirecrestV2) -> Awaitable[dict[str, Any]]:
    return client.mkdir("cluster", "/p")


def test_the_request_is_at_the_base_url_with_the_token_and_without_empty_parameters() -> None:
    server = Server(ok())
    call_v2(server, stat)
    request = server.requests[0]
    assert request.url.copy_with(query=None) == "https://f7t.test/base/filesystem/cluster/ops/stat"
    assert dict(request.url.params) == {"path": "/p"}
    assert request.headers["authorization"] == "Bearer tok"


def test_a_systems_name_cannot_change_the_route() -> None:
    server = Server(ok())
    call_v2(server, lambda client: client.stat("../x?y", "/p"))
    assert server.requests[0].url.raw_path.startswith(b"/base/filesystem/..%2Fx%3Fy/ops/stat")


@pytest.mark.parametrize(
    "trouble",
    [
        fail(429, **{"Retry-After": "3"}),
        fail(502),
        fail(503),
        fail(504),
        fail(408, "Command execution timeout limit exceeded."),
        fail(424, "Unable to open a new SSH channel."),
        fail(500, "(111, 'Connection refused')"),
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.ReadTimeout("slow"),
        httpx.ConnectTimeout("slow"),
    ],
    ids=str,
)
def test_a_read_is_repeated_after_what_may_pass(trouble: Answer) -> None:
    server = Server(trouble, trouble, ok())
    assert call_v2(server, stat)["size"] == 1
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 413, 500])
def test_a_final_answer_is_not_asked_for_twice(status: int) -> None:
    server = Server(fail(status))
    with pytest.raises(FirecrestException):
        call_v2(server, stat)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "trouble", [httpx.ConnectError("refused"), fail(429), fail(424, "Unable to open a new SSH channel.")]
)
def test_a_change_is_repeated_when_it_provably_was_not_made(trouble: Answer) -> None:
    server = Server(trouble, ok({}))
    call_v2(server, mkdir)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("disconnected"),
        httpx.ReadTimeout("slow"),
        httpx.WriteError("broken pipe"),
        fail(502),
        fail(504),
        fail(408),
    ],
    ids=str,
)
def test_a_change_whose_answer_is_lost_is_uncertain_and_not_repeated(trouble: Answer) -> None:
    server = Server(trouble)
    with pytest.raises(Uncertain, match="mkdir may or may not"):
        call_v2(server, mkdir)
    assert len(server.requests) == 1


def test_retries_have_a_bound_in_time() -> None:
    server = Server(fail(503))

    async def main() -> float:
        async with FirecrestV2(
            "https://f7t.test", StaticToken("tok"), Options(transport=httpx.MockTransport(server))
        ) as client:
            with pytest.raises(UnexpectedStatusException):
                await client.stat("cluster", "/p")
            return trio.current_time()

    assert 15 <= trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) <= 30
    # The waits are random: two seconds and a half each at least, once they are at their longest.
    assert 5 <= len(server.requests) <= 15


def test_a_gateways_502_is_asked_only_a_few_times_since_v1_dies_of_some_names() -> None:
    server = Server(httpx.Response(502, text="<html><h1>502 Bad Gateway</h1></html>"))
    with pytest.raises(UnexpectedStatusException, match="502 Bad Gateway"):
        call_v1(server, lambda client: client.stat("cluster", "/p"))
    assert len(server.requests) == 3


def test_no_attempt_is_made_that_the_server_asks_to_put_off_beyond_the_bound() -> None:
    server = Server(fail(429, **{"Retry-After": "120"}))
    with pytest.raises(UnexpectedStatusException):
        call_v2(server, stat)
    assert len(server.requests) == 1


def test_a_connection_that_was_never_made_is_known_as_such() -> None:
    for error, sent in ((httpx.ConnectError("refused"), False), (httpx.ReadError("reset"), True)):
        with pytest.raises(ConnectionFailed) as raised:
            call_v2(Server(error), stat)
        assert raised.value.sent is sent
    with pytest.raises(RequestTimedOut):
        call_v2(Server(httpx.ReadTimeout("slow")), stat)


def test_a_rejected_token_is_replaced_once_and_the_call_repeated_even_if_it_changes_something() -> None:
    server = Server(fail(401), ok({}))
    call_v2(server, mkdir, Renewing())
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer t1", "Bearer t2"]


def test_a_second_rejection_is_final() -> None:
    server = Server(fail(401))
    with pytest.raises(UnauthorizedException):
        call_v2(server, stat, Renewing())
    assert len(server.requests) == 2


def test_a_static_token_is_not_tried_twice() -> None:
    server = Server(fail(401, "Access token expired"))
    with pytest.raises(UnauthorizedException, match="Access token expired"):
        call_v2(server, stat)
    assert len(server.requests) == 1


def test_calls_are_counted_by_route_with_every_attempt() -> None:
    server = Server(fail(503), ok())

    async def use(client: FirecrestV2) -> dict[str, int]:
        await client.stat("cluster", "/p")
        await client.stat("cluster", "/q")
        return client.calls

    assert call_v2(server, use) == {"GET /filesystem/{system_name}/ops/stat": 3}


def test_errors_keep_no_secrets() -> None:
    url = "http://s3/b/k?X-Amz-Credential=AKIA123&X-Amz-Signature=abcdef"
    server = Server(
        httpx.Response(
            500, text=f'{{"message": "{url}", "policy": "eyJ"}}', headers={"auth-token": "tok", "X-Kept": "1"}
        )
    )
    with pytest.raises(UnexpectedStatusException) as raised:
        call_v2(server, stat)
    told = f"{raised.value} {raised.value.responses!r}"
    assert "X-Amz-Signature=<redacted>" in told
    for secret in ("abcdef", "AKIA123", "eyJ", "tok"):
        assert secret not in told
    assert raised.value.responses[0].headers["x-kept"] == "1"


@contextmanager
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, logger="f7tfs"):
        yield


def test_the_log_grows_louder_and_holds_no_token(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(fail(503), fail(503), fail(503), ok())
    with logged(caplog):
        call_v2(server, stat)
    levels = [record.levelno for record in caplog.records if "again in" in record.message]
    assert levels == [logging.DEBUG, logging.DEBUG, logging.WARNING]
    assert "tok" not in caplog.text


@pytest.mark.parametrize("body", ["<html>hello</html>", "[]", '{"other": 1}'])
def test_a_success_that_is_no_answer_of_firecrest_is_told_as_such(body: str) -> None:
    with pytest.raises(NoJSONException):
        call_v2(Server(httpx.Response(200, text=body)), stat)


def test_errors_of_v1_are_named_by_their_header_and_those_of_v2_by_their_status() -> None:
    answer = httpx.Response(
        400, json={"description": "d", "error": "e"}, headers={"X-Not-Found": "sourcePath not found"}
    )
    with pytest.raises(HeaderException, match="e") as raised:
        call_v1(Server(answer), lambda client: client.stat("cluster", "/p"))
    assert raised.value.header == "x-not-found"
    with pytest.raises(NotFound):
        call_v2(Server(fail(404)), stat)


def test_v2_uploads_have_the_file_name_raw_with_backslash_escapes() -> None:
    server = Server(httpx.Response(204))
    call_v2(server, lambda client: client.upload("cluster", "/d", 'a"b\\c é', b"\x00\xff"))
    body = server.requests[0].content
    assert 'name="file"; filename="a\\"b\\\\c é"\r\n'.encode() in body
    boundary = server.requests[0].headers["content-type"].partition("boundary=")[2].encode()
    assert body.endswith(b"\r\n\r\n\x00\xff\r\n--" + boundary + b"--\r\n")


def test_v1_sends_changes_as_forms_and_names_the_system_in_a_header() -> None:
    server = Server(httpx.Response(204))
    call_v1(server, lambda client: client.simple_delete("cluster", "/a b"))
    request = server.requests[0]
    assert (request.method, request.url.query, request.content) == ("DELETE", b"", b"targetPath=%2Fa+b")
    assert request.headers["x-machine-name"] == "cluster"


def test_v1_uploads_encode_a_name_beyond_ascii_as_measured() -> None:
    server = Server(httpx.Response(201, json={}))
    call_v1(server, lambda client: client.simple_upload("cluster", "/d", "é", b"x"))
    assert b"filename*=utf-8''%C3%A9\r\n" in server.requests[0].content


def test_v1_submissions_carry_account_and_environment_as_a_form() -> None:
    server = Server(httpx.Response(201, json={"task_id": "t1"}))
    task = call_v1(server, lambda client: client.submit_path("cluster", "/d/j.sh", "acct", {"A": "b c"}))
    form = httpx.QueryParams(server.requests[0].content.decode())
    assert (task, dict(form)) == ("t1", {"targetPath": "/d/j.sh", "account": "acct", "env": '{"A": "b c"}'})


def test_no_call_begins_before_the_next_period_when_the_site_says_that_none_is_left() -> None:
    used_up = httpx.Response(200, json={"output": STAT}, headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "7"})
    few = httpx.Response(200, json={"output": STAT}, headers={"RateLimit-Remaining": "3", "RateLimit-Reset": "9"})
    server = Server(used_up, few, ok())

    async def use(client: FirecrestV2) -> list[float]:
        began, times = trio.current_time(), []
        for lane in (contextlib.nullcontext(), contextlib.nullcontext(), contextlib.nullcontext(), background()):
            with lane:
                await stat(client)
            times.append(trio.current_time() - began)
        return times

    # The second call waits for the next period; of what is left then, the background leaves the rest to the others.
    assert call_v2(server, use) == pytest.approx([0, 7, 7, 16])


def test_a_limit_without_retry_after_is_waited_for_until_it_is_reset() -> None:
    server = Server(fail(429, **{"RateLimit-Remaining": "0", "RateLimit-Reset": "11"}), ok())

    async def use(client: FirecrestV2) -> float:
        began = trio.current_time()
        await stat(client)
        return trio.current_time() - began

    assert call_v2(server, use) == pytest.approx(11)
    assert len(server.requests) == 2


class BrokenMidway(httpx.AsyncBaseTransport):
    """Takes the first block of what is sent, and then the connection is gone."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async for _ in cast(httpx.AsyncByteStream, request.stream):
            raise httpx.WriteError("gone")
        raise AssertionError("there was nothing to send")


@pytest.mark.parametrize("content", [b"x", None], ids=["bytes", "file"])
def test_what_was_being_sent_when_the_connection_went_is_closed(tmp_path: Path, content: bytes | None) -> None:
    local = tmp_path / "f"
    local.write_bytes(b"x" * 3 * 2**20)

    async def main() -> None:
        options = Options(transport=BrokenMidway(), retry=RetryPolicy(total=0))
        async with FirecrestV2("https://f7t.test", StaticToken("t"), options) as client:
            with pytest.raises(ConnectionFailed):
                await client.upload("cluster", "/d", "f", content or local)
            gc.collect()  # trio would complain here, which fails the test, of a generator that nobody has closed

    trio.run(main)
    assert str(local) not in {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}
