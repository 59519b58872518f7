"""What must be right on this machine: FUSE, the local disk, names, the way to the site."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from f7tfs.cli.checks.findings import Finding, failed, ok, warning
from f7tfs.cli.output import size
from f7tfs.errors import UserError
from f7tfs.mount.mountpoint import require_fuse
from f7tfs.mount.runtime import private_directory

_ROOM = 2 * 2**30
_SECONDS = 10.0


def fuse(*, allow_other: bool) -> Iterator[Finding]:
    """The device, the helper of ordinary users, and what `allow_other` needs."""
    try:
        require_fuse(allow_other=allow_other)
    except UserError as error:
        yield failed("fuse", str(error), error.cure)
    else:
        yield ok("fuse", "/dev/fuse can be used" + (", and allow_other" if allow_other else ""))
    helper = shutil.which("fusermount3")
    if helper is None:
        yield warning("fusermount3", "not there; only root can mount", "Debian and Ubuntu: apt-get install fuse3")
    else:
        yield ok("fusermount3", helper)


def disk(base: Path) -> Finding:
    """Whether the journal and the cache have a place, and room."""
    try:
        private_directory(base)
        probe = base / f".doctor-{os.getpid()}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
        free = shutil.disk_usage(base).free
    except UserError as error:
        return failed("disk", str(error), error.cure)
    except OSError as error:
        return failed("disk", f"{base}: {error.strerror}", "make room there, or choose another place: --cache-dir")
    if free < _ROOM:
        return warning(
            "disk",
            f"{size(free)} free in {base}; what is written waits there for the cluster",
            "make room there, or choose another place: --cache-dir",
        )
    return ok("disk", f"{size(free)} free in {base}")


def names(urls: list[str]) -> Iterator[Finding]:
    """Whether the hosts have addresses."""
    for host in dict.fromkeys(urlsplit(url).hostname or "" for url in urls):
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
    """Whether something listens there, and shows a certificate that is believed."""
    for parts in {f"{p.scheme}://{p.netloc}": p for p in map(urlsplit, urls)}.values():
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        proxy = os.environ.get("HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY")
        if proxy:
            yield ok("connection", f"{host}: through the proxy {proxy}")
            continue
        yield _connection(host, port, ca_file, secure=parts.scheme == "https")


def _connection(host: str, port: int, ca_file: Path | None, *, secure: bool) -> Finding:
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), _SECONDS) as plain:
            if not secure:
                return ok("connection", f"{host}:{port} answers, without TLS", time.monotonic() - began)
            with _context(ca_file).wrap_socket(plain, server_hostname=host) as tls:
                return ok("tls", f"{host}: {tls.version()}", time.monotonic() - began)
    except ssl.SSLCertVerificationError as error:
        return failed(
            "tls",
            f"{host}: {error.verify_message}",
            "name the file with the site's certificates: ca_file in the profile, or SSL_CERT_FILE",
        )
    except ssl.SSLError as error:
        return failed("tls", f"{host}:{port} speaks no TLS ({error.reason})", "check the URL: its scheme, its port")
    except OSError as error:
        return failed(
            "connection",
            f"{host}:{port}: {error.strerror or error}",
            "check the URL, the network and the firewall; a proxy: HTTPS_PROXY, or proxy in the profile",
        )


def _context(ca_file: Path | None) -> ssl.SSLContext:
    file = ca_file or os.environ.get("SSL_CERT_FILE")
    return ssl.create_default_context(cafile=str(file) if file else None)
