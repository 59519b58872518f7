"""v1: reservations, which servers up to 1.16 have: what is asked, by this client and by the official one.

The sandbox is of a server without them, so a server of a few lines takes the requests here; it answers as the OpenAPI
document of v1 says.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest

import f7tfs.firecrest as f7t
from tests.client.official import DRIVERS, Caller, Token, caller

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
FIELDS = ("staff", "2", "gpu", "2026-12-24T00:00:00", "2026-12-24T12:30:00")
ACTIVE = [{"reservationname": "mine", "state": "ACTIVE"}]
STATUS = {"GET": 200, "POST": 201, "PUT": 200, "DELETE": 204}
Request = tuple[str, str, str | None, dict[str, str]]


class Handler(BaseHTTPRequestHandler):
    requests: list[Request] = []  # noqa: RUF012 - emptied by each test
    refuse = False

    def answer(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()))
        if self.path == "/status/parameters":
            self.reply(200, b'{"out":{"general":[{"name":"FIRECREST_VERSION","value":"1.16.0"}]}}')
            return
        self.requests.append((self.command, self.path, self.headers["X-Machine-Name"], form))
        if self.refuse:
            self.reply(400, b'{"description":"Error creating reservation","error":"Error: invalid start time"}')
        elif self.command == "GET":
            self.reply(200, b'{"success":[{"reservationname":"mine","state":"ACTIVE"}]}')
        else:
            self.reply(STATUS[self.command], b"" if self.command == "DELETE" else b'{"success":"done"}')

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the library's names

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 400:
            self.send_header("X-Error", "Error: invalid start time")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Handler.requests.clear()
    Handler.refuse = False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def everything(client: Caller) -> Any:
    return [
        client.all_reservations("cluster"),
        client.create_reservation("cluster", "mine", *FIELDS),
        client.update_reservation("cluster", "mine", *FIELDS),
        client.delete_reservation("cluster", "mine"),
    ]


def test_all_clients_ask_the_same(url: str) -> None:
    asked = {}
    for driver in DRIVERS:
        Handler.requests.clear()
        with caller(driver, "v1", url, Token("token")) as client:
            assert everything(client) == [ACTIVE, None, None, None]
        asked[driver] = list(Handler.requests)
    names = ("account", "numberOfNodes", "nodeType", "starttime", "endtime")
    fields = dict(zip(names, FIELDS, strict=True))
    assert asked["f7tfs"] == [
        ("GET", "/reservations", "cluster", {}),
        ("POST", "/reservations", "cluster", {"reservation": "mine", **fields}),
        ("PUT", "/reservations/mine", "cluster", fields),
        ("DELETE", "/reservations/mine", "cluster", {}),
    ]
    assert all(requests == asked["f7tfs"] for requests in asked.values())


def test_a_refusal_is_told(url: str) -> None:
    Handler.refuse = True
    with (
        f7t.v1.Firecrest(url, f7t.StaticToken("token")) as client,
        pytest.raises(f7t.HeaderException, match="invalid start time") as raised,
    ):
        client.create_reservation("cluster", "mine", *FIELDS)
    assert raised.value.responses[-1].request == "POST /reservations"
