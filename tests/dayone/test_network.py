"""TLS by an authority of the site's own, and a proxy between: login, mount and doctor, with real ones of both."""

from __future__ import annotations

import datetime as dt
import random
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import trustme

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import User, log_in
from tests.dayone.network import Proxy, TlsFront
from tests.dayone.test_doctor import examine, variables

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Site:
    """A sandbox behind TLS."""

    front: TlsFront
    authority: Path
    sandbox: SandboxProcess

    def secured(self, url: str, host: str = "localhost") -> str:
        return url.replace(f"http://127.0.0.1:{self.sandbox.info.port}", f"https://{host}:{self.front.port}")

    @property
    def options(self) -> tuple[str, ...]:
        info = self.sandbox.info
        urls = ("--site", self.secured(info.url_v2), "--token-url", self.secured(info.token_url))
        return (*urls, "--client-id", info.client_id)

    @property
    def variables(self) -> dict[str, str]:
        return {name: self.secured(value) for name, value in variables(self.sandbox).items()}


def served(authority: trustme.CA, host: str = "localhost", until: dt.datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, not_after=until).configure_cert(context)
    return context


@pytest.fixture
def tls(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Sites behind TLS; the arguments are those of `served`."""
    authority, file = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    fronts: list[TlsFront] = []

    def start(host: str = "localhost", until: dt.datetime | None = None) -> Site:
        fronts.append(TlsFront(served(authority, host, until), sandbox.info.port).__enter__())
        return Site(fronts[-1], file, sandbox)

    yield start
    for front in fronts:
        front.__exit__()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(credentials="me:a secret") as running:
        yield running


def through(proxy: Proxy) -> str:
    return f"http://me:a%20secret@127.0.0.1:{proxy.port}"


def test_a_site_of_its_own_authority_behind_a_proxy_is_logged_in_to_mounted_and_examined(
    user: User, tls: Callable[..., Site], proxy: Proxy
) -> None:
    site = tls()
    secret = f"{site.sandbox.info.client_secret}\n"
    assert "certificate" in " ".join(user.refused("login", *site.options, typed=secret))
    network = ("--ca-file", str(site.authority), "--proxy", through(proxy))
    user.done("login", "here", *site.options, *network, typed=secret)
    assert set(proxy.tunnels) == {site.front.port}

    large = random.Random(8).randbytes(8 * 2**20)
    (site.sandbox.home / "large").write_bytes(large)
    place = user.directory("mnt")
    user.done("mount", "here", str(place))
    (place / "small").write_text("through both")
    assert (place / "large").read_bytes() == large
    user.done("umount", str(place))
    assert (site.sandbox.home / "small").read_text() == "through both"
    # The object store is plain here, and is another host for the proxy.
    assert any(f"GET http://127.0.0.1:{site.sandbox.info.s3_port}/" in request for request in proxy.requests)

    proxy.requests.clear()
    found = examine(user, "here")
    assert {finding["state"] for check, finding in found.items() if check != "disk"} == {"ok"}
    assert f"through the proxy 127.0.0.1:{proxy.port}" in found["tls"]["found"]
    assert "a%20secret" not in str(found)
    assert proxy.requests


@pytest.mark.parametrize(
    ("certificate", "cure"),
    [({}, "ca_file"), ({"until": LONG_AGO}, "the clock here is wrong"), ({"host": "elsewhere"}, "another host's")],
    ids=["of an unknown authority", "that has ended", "of another host"],
)
def test_a_certificate_that_is_not_believed_is_found(
    user: User, tls: Callable[..., Site], certificate: dict[str, object], cure: str
) -> None:
    site = tls(**certificate)
    known = {"SSL_CERT_FILE": str(site.authority)} if certificate else {}
    found = examine(user, "--quick", **site.variables, **known)
    assert (found["tls"]["state"], cure in found["tls"]["cure"]) == ("failed", True), found["tls"]


def test_a_proxy_that_refuses_is_found(user: User, tls: Callable[..., Site], proxy: Proxy) -> None:
    site = tls()
    wrong = {"SSL_CERT_FILE": str(site.authority), "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
    found = examine(user, "--quick", **site.variables, **wrong)
    assert (found["connection"]["state"], "NO_PROXY" in found["connection"]["cure"]) == ("failed", True)
    assert "407" in found["connection"]["found"]
    found = examine(user, "--quick", **site.variables, **wrong, NO_PROXY="localhost")
    assert found["tls"]["state"] == "ok"


def test_a_host_that_only_the_proxy_knows_is_no_fault(user: User, sandbox: SandboxProcess, proxy: Proxy) -> None:
    log_in(user, sandbox)
    urls = {"FIRECREST_URL": sandbox.info.url_v2.replace("127.0.0.1", "only-the-proxy-knows.invalid")}
    found = examine(user, "here", "--quick", **urls, http_proxy=through(proxy), no_proxy="127.0.0.1")
    assert {finding["state"] for check, finding in found.items() if check != "disk"} == {"ok"}
    assert any("only-the-proxy-knows.invalid" in request for request in proxy.requests)


class _Yesterday(BaseHTTPRequestHandler):
    """A server whose clock is a day behind."""

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        del timestamp
        return "Wed, 01 Jan 2020 00:00:00 GMT"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Tests are quiet."""


def test_a_clock_that_is_ahead_is_found(user: User, sandbox: SandboxProcess) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Yesterday) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v2"
        found = examine(user, "--quick", **(variables(sandbox) | {"FIRECREST_URL": url}))
        server.shutdown()
    assert (found["clock"]["state"], "timedatectl" in found["clock"]["cure"]) == ("failed", True)
    assert "ahead" in found["clock"]["found"]
