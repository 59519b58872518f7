"""The blocking clients: the same methods as the asynchronous ones, from any thread, with their errors."""

from __future__ import annotations

import inspect
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio

import f7tfs.firecrest as f7t
from f7tfs.firecrest import v1, v2
from f7tfs.firecrest.portal import portal
from f7tfs.sandbox.process import SandboxProcess

PAIRS = [
    (v1.AsyncFirecrest, v1.Firecrest),
    (v1.AsyncExternalUpload, v1.ExternalUpload),
    (v1.AsyncExternalDownload, v1.ExternalDownload),
    (v2.AsyncFirecrest, v2.Firecrest),
    (v2.AsyncExternalUpload, v2.ExternalUpload),
    (v2.AsyncExternalDownload, v2.ExternalDownload),
]
# For use between the parts of the asynchronous client, or for the version to be found out.
INNER = {"aclose", "reopen", "task_until", "transfer_done", "file_job_done", "transfer_failure", "status_systems"}


class MyAuthorizationClass:
    """A user's own, as pyFirecREST wants it."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self._token = sandbox.token()

    def get_access_token(self) -> str:
        return self._token


@pytest.mark.parametrize(("original", "twin"), PAIRS, ids=lambda c: f"{c.__module__}.{c.__name__}")
def test_each_method_has_a_blocking_twin_with_its_signature(original: type, twin: type) -> None:
    methods = dict(inspect.getmembers(original, inspect.iscoroutinefunction))
    public = {name for name in methods if not name.startswith("_")} - INNER
    assert public
    for name in public:
        blocking = getattr(twin, name)
        assert not inspect.iscoroutinefunction(blocking)
        assert list(inspect.signature(blocking).parameters) == list(inspect.signature(methods[name]).parameters)
        assert blocking.__doc__
    properties = {n for n, value in inspect.getmembers(original) if isinstance(value, property)}
    assert properties - {"job", "calls", "is_closed"} <= set(dir(twin))


def test_both_versions_answer(sandbox: SandboxProcess) -> None:
    authorization = MyAuthorizationClass(sandbox)
    with f7t.Firecrest(firecrest_url=sandbox.info.url_v1, authorization=authorization) as one:
        assert one.all_systems()[0]["system"] == "cluster"
        assert one.calls == {"GET /status/systems": 1}
    with v2.Firecrest(firecrest_url=sandbox.info.url_v2, authorization=authorization, verify=False) as two:
        assert two.systems()[0]["name"] == "cluster"


def test_many_threads_share_a_client(sandbox: SandboxProcess) -> None:
    with v2.Firecrest(sandbox.info.url_v2, MyAuthorizationClass(sandbox)) as client, ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda _: client.stat("cluster", sandbox.info.home)["size"], range(40)))
    assert len(set(sizes)) == 1


def test_errors_are_raised_in_the_callers_thread(sandbox: SandboxProcess, tmp_path: Path) -> None:
    with v2.Firecrest(sandbox.info.url_v2, MyAuthorizationClass(sandbox)) as client:
        with pytest.raises(f7t.NotFound) as raised:
            client.stat("cluster", f"{sandbox.info.home}/missing")
        assert raised.value.responses[-1].status_code == 404
        with pytest.raises(FileNotFoundError):
            client.upload("cluster", tmp_path / "missing", sandbox.info.home, "f")
        with pytest.raises(f7t.UnauthorizedException):
            v2.Firecrest(sandbox.info.url_v2, f7t.StaticToken("no token")).systems()


def test_a_users_authorization_may_fail_in_its_own_way(sandbox: SandboxProcess) -> None:
    class Broken:
        def get_access_token(self) -> str:
            raise KeyError("my token file")

    with v2.Firecrest(sandbox.info.url_v2, Broken()) as client, pytest.raises(KeyError, match="my token file"):
        client.systems()
    with pytest.raises(TypeError, match="get_access_token"):
        v2.Firecrest(sandbox.info.url_v2, object())


def test_client_credentials_by_pyfirecrests_name(sandbox: SandboxProcess) -> None:
    info = sandbox.info
    credentials = f7t.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url)
    token = credentials.get_access_token()
    with v2.Firecrest(info.url_v2, credentials) as client:
        client.systems()
    assert sandbox.calls()["POST /auth/token"] == 1
    assert credentials.get_access_token() == token
    assert info.client_secret not in repr(credentials)
    wrong = f7t.ClientCredentialsAuth(
        info.client_id, "wrong", info.token_url, client_auth_method="client_secret_basic"
    )
    with pytest.raises(f7t.ClientsCredentialsException):
        wrong.get_access_token()


def test_an_interrupted_call_is_cancelled() -> None:
    cancelled = threading.Event()

    async def call() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupted)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            portal().run(call)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert cancelled.wait(10)


def test_a_client_that_nobody_closes_is_closed(sandbox: SandboxProcess) -> None:
    client = v2.Firecrest(sandbox.info.url_v2, MyAuthorizationClass(sandbox))
    client.systems()
    http = client.original._session._http
    del client
    deadline = time.monotonic() + 10
    while not http.is_closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert http.is_closed


def test_connections_are_closed_and_opened_anew(sandbox: SandboxProcess) -> None:
    one = v1.Firecrest(sandbox.info.url_v1, MyAuthorizationClass(sandbox))
    two = v2.Firecrest(sandbox.info.url_v2, MyAuthorizationClass(sandbox))
    for client in (one, two):
        client.set_api_version("1.16.0")
        client.reservations("cluster")
        closed = [client.is_session_closed]
        client.close_session()
        closed.append(client.is_session_closed)
        with pytest.raises(RuntimeError, match="closed"):
            client.reservations("cluster")
        client.create_new_session()
        closed.append(client.is_session_closed)
        assert closed == [False, True, False]
        client.reservations("cluster")
        client.create_new_session()
        client.reservations("cluster")
        client.close_session()
