"""The way to the site: names, proxies, certificates, and the time there."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from f7tfs.cli.checks.findings import SECONDS, SILENT, SILENT_CURE, Finding, failed, ok
from f7tfs.cli.output import duration

SKEW = 30.0
"""Seconds that a clock may be off: tokens are taken for valid by the site's clock, and for fresh by ours."""
CLOCK_CURE = "timedatectl set-ntp true"


def names(urls: list[str]) -> Iterator[Finding]:
    """Whether the hosts have addresses; behind a proxy the proxy has, and it looks for the others."""
    for host in dict.fromkeys((proxy_of(url) or urlsplit(url)).hostname or "" for url in urls):
        began = time.monotonic()
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            yield failed(
                "name", f"{host}: {error}", "check the URL and the DNS of this machine; a VPN may have to be on"
            )
        else:
            yield ok("name", f"{host} is {found[0][4][0]}", time.monotonic() - began)


def connections(urls: list[str], ca_file: Path | None) -> Iterator[Finding]:
    """Whether something listens there, and shows a certificate that is believed; by its answer, what time it is."""
    for parts in {f"{p.scheme}://{p.netloc}": p for p in map(urlsplit, urls)}.values():
        proxy = proxy_of(parts.geturl())
        connection = _connection(parts, proxy, ca_file)
        with closing(connection):
            finding = _connect(connection, parts, proxy)
            told = _clock(connection, parts) if finding.state == "ok" and proxy is None else None
        # Silence is a finding about the connection itself, which is not well then.
        if told is None or told.check != finding.check:
            yield finding
        if told is not None:
            yield told


def proxy_of(url: str) -> SplitResult | None:
    """The proxy that requests to `url` take, by the same variables as those of the HTTP library."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def _connection(parts: SplitResult, proxy: SplitResult | None, ca_file: Path | None) -> http.client.HTTPConnection:
    via = proxy or parts
    host, port = via.hostname or "", via.port or (443 if via.scheme == "https" else 80)
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=SECONDS)
    secure = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=_context(ca_file))
    if proxy is not None:
        secure.set_tunnel(parts.hostname or "", parts.port or 443, _credentials(proxy))
    return secure


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    said = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(said.encode()).decode()}


def _connect(connection: http.client.HTTPConnection, parts: SplitResult, proxy: SplitResult | None) -> Finding:
    began = time.monotonic()
    host = parts.hostname or ""
    through = f", through the proxy {proxy.hostname}:{proxy.port}" if proxy else ""
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        return failed("tls", f"{host}: {error.verify_message}", _certificate_cure(error))
    except ssl.SSLError as error:
        return failed(
            "tls", f"{host}:{connection.port} speaks no TLS ({error.reason})", "check the URL: its scheme, its port"
        )
    except OSError as error:
        reason = SILENT if isinstance(error, TimeoutError) else error.strerror or error
        if proxy is not None:
            cure = "check the proxy: `proxy` in the profile, HTTPS_PROXY; hosts that need none go into NO_PROXY"
            return failed("connection", f"{host}{through}: {reason}", cure)
        cure = "check the URL, the network and the firewall; a proxy: HTTPS_PROXY, or proxy in the profile"
        return failed("connection", f"{host}:{connection.port}: {reason}", cure)
    seconds = time.monotonic() - began
    if isinstance(connection.sock, ssl.SSLSocket):
        return ok("tls", f"{host}: {connection.sock.version()}{through}", seconds)
    return ok("connection", f"{host}{through or f':{connection.port}'} answers, without TLS", seconds)


def _certificate_cure(error: ssl.SSLCertVerificationError) -> str:
    # The numbers are OpenSSL's X509_V_ERR_…: not yet valid, expired; another host's name, another address.
    if error.verify_code in {9, 10}:
        return f"the certificate has ended, or the clock here is wrong: {CLOCK_CURE}; else tell the site"
    if error.verify_code in {62, 64}:
        return "check the URL: the certificate is another host's"
    return "name the file with the site's certificates: ca_file in the profile, or SSL_CERT_FILE"


def _clock(connection: http.client.HTTPConnection, parts: SplitResult) -> Finding | None:
    """How far the clock here is from the server's; None where it does not tell. A server may not even answer."""
    try:
        connection.request("HEAD", parts.path or "/")
        there = parsedate_to_datetime(connection.getresponse().headers["Date"] or "").timestamp()
    except TimeoutError:
        return failed("connection", f"{parts.hostname}:{connection.port} takes the connection: {SILENT}", SILENT_CURE)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    ahead = time.time() - there
    if abs(ahead) <= SKEW:
        return ok("clock", f"that of {parts.hostname}")
    direction = "ahead of" if ahead > 0 else "behind"
    return failed("clock", f"{duration(abs(ahead))} {direction} that of {parts.hostname}", CLOCK_CURE)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    file = ca_file or os.environ.get("SSL_CERT_FILE")
    return ssl.create_default_context(cafile=str(file) if file else None)
