"""A WSGI application in front of moto: checks signatures, and swaps content for claims and back."""

from __future__ import annotations

import hmac
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import IO, Any
from urllib.parse import parse_qs

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import ClientDisconnected
from werkzeug.formparser import FormDataParser
from werkzeug.test import encode_multipart

from f7tfs.sandbox.faults import Rule, take_rule
from f7tfs.sandbox.objectstore.claims import Blobs, Claim, parse_claims, parse_range
from f7tfs.sandbox.objectstore.signatures import refusal

Environ = dict[str, Any]
Start = Callable[..., Any]
Headers = list[tuple[str, str]]

RULES_PATH = "/-rules"
MINIMUM_PART = 5 * 1024 * 1024
STATUS = {"InvalidArgument": "400 Bad Request", "EntityTooSmall": "400 Bad Request"}


class Front:
    """Everything but content is moto's business."""

    def __init__(self, moto: Callable[..., Iterable[bytes]], blobs: Blobs, keys: tuple[str, str], part: int) -> None:
        """`part` is the size that clients are told to cut at: smaller parts than that, and 5 MiB, are refused."""
        self._moto = moto
        self._blobs = blobs
        self._keys = keys
        self._minimum = min(MINIMUM_PART, part)
        self._lock = threading.Lock()
        self._parts: dict[str, dict[int, int]] = {}
        self._rules: list[Rule] = []

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        raw = environ.get("REQUEST_URI") or environ["RAW_URI"]
        if raw == RULES_PATH:
            return self._set_rules(environ, start)
        rule = self._take_rule(f"{environ['REQUEST_METHOD']} {raw}")
        if rule is None:
            try:
                return self._serve(environ, start)
            except ClientDisconnected as gone:
                # It is no fault of the server's, and nobody is there to be answered.
                return gone(environ, start)
        time.sleep(rule.delay)
        if rule.status is not None:
            _drain(environ)
            start(
                f"{rule.status} Fault", [("Content-Type", rule.content_type), ("Content-Length", str(len(rule.body)))]
            )
            return [rule.body.encode()]
        if rule.truncate is not None:
            return _cut_after(self._serve(environ, start), rule.truncate, environ["werkzeug.socket"])
        if rule.drop == "after":
            for _ in self._serve(environ, lambda *_: None):
                pass
        if rule.drop is not None:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        return self._serve(environ, start)

    def _set_rules(self, environ: Environ, start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        if not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", ""), self._keys[1]):
            return _error(start, "AccessDenied")
        with self._lock:
            self._rules = [Rule(**rule) for rule in json.loads(body)]
        start("204 No Content", [])
        return []

    def _take_rule(self, call: str) -> Rule | None:
        with self._lock:
            return take_rule(self._rules, call)

    def _serve(self, environ: Environ, start: Start) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        form = method == "POST" and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data")
        code = None if form else self._refusal(environ)
        if code is not None:
            _drain(environ)
            return _error(start, code)
        query = parse_qs(environ.get("QUERY_STRING", ""))
        is_object = environ["PATH_INFO"].strip("/").count("/") > 0
        if form:
            return self._post_form(environ, start)
        if method == "PUT" and is_object:
            return self._put(environ, start, query)
        if method == "POST" and "uploadId" in query and self._too_small(query["uploadId"][0]):
            _drain(environ)
            return _error(start, "EntityTooSmall")
        if method in {"GET", "HEAD"} and is_object and "uploadId" not in query:
            return self._get(environ, start)
        if method == "DELETE" and is_object and "uploadId" not in query:
            self._forget(environ)
        return self._moto(environ, start)

    def _refusal(self, environ: Environ) -> str | None:
        raw = environ.get("REQUEST_URI") or environ["RAW_URI"]
        authorization = environ.get("HTTP_AUTHORIZATION")
        return refusal(environ["REQUEST_METHOD"], environ["HTTP_HOST"], raw, authorization, self._keys)

    # -- in --------------------------------------------------------------------------------------

    def _put(self, environ: Environ, start: Start, query: dict[str, list[str]]) -> Iterable[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            claim = self._blobs.store(environ["wsgi.input"], size)
        except EOFError:
            return _error(start, "IncompleteBody")
        if "uploadId" in query:
            with self._lock:
                parts = self._parts.setdefault(query["uploadId"][0], {})
                parts[int(query["partNumber"][0])] = size
        for name in [n for n in environ if n.startswith(("HTTP_X_AMZ_CHECKSUM", "HTTP_CONTENT_MD5"))]:
            del environ[name]  # they are of the content, not of the claim
        _set_body(environ, claim.text)
        return self._moto(environ, start)

    def _too_small(self, upload: str) -> bool:
        with self._lock:
            parts = self._parts.get(upload, {})
            return any(size < self._minimum for number, size in parts.items() if number != max(parts))

    def _post_form(self, environ: Environ, start: Start) -> Iterable[bytes]:
        opened: dict[str, IO[bytes]] = {}

        def factory(
            total_content_length: int | None,
            content_type: str | None,
            filename: str | None,
            content_length: int | None = None,
        ) -> IO[bytes]:
            del total_content_length, content_type, filename, content_length
            name, output = self._blobs.create()
            opened[name] = output
            return output

        _, form, files = FormDataParser(stream_factory=factory).parse_from_environ(environ)
        if "file" not in files:
            return _error(start, "InvalidArgument")
        for name, output in opened.items():
            size = output.seek(0, io.SEEK_END)
            output.close()
            if output is files["file"].stream:
                claim = Claim(name, size)
        fields: dict[str, Any] = dict(form.items())
        fields["file"] = FileStorage(io.BytesIO(claim.text), files["file"].filename or "file")
        boundary, body = encode_multipart(fields)
        environ["CONTENT_TYPE"] = f"multipart/form-data; boundary={boundary}"
        _set_body(environ, body)
        return self._moto(environ, start)

    # -- out -------------------------------------------------------------------------------------

    def _stored(self, environ: Environ) -> tuple[str, Headers, bytes]:
        """What moto has under a key, with its status and headers."""
        inner = {**environ, "REQUEST_METHOD": "GET"}
        inner.pop("HTTP_RANGE", None)
        answer: list[Any] = []
        result = self._moto(inner, lambda status, headers, *_: answer.append((status, headers)))
        try:
            body = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        status, headers = answer[0]
        return status, headers, body

    def _get(self, environ: Environ, start: Start) -> Iterable[bytes]:
        status, headers, body = self._stored(environ)
        claims = parse_claims(body) if status.startswith("200") else None
        head = environ["REQUEST_METHOD"] == "HEAD"
        if claims is None:
            start(status, headers)
            return [] if head else [body]
        total = sum(claim.size for claim in claims)
        kept = [(n, v) for n, v in headers if n.lower() not in {"content-length", "content-range", "accept-ranges"}]
        kept.append(("Accept-Ranges", "bytes"))
        try:
            wanted = parse_range(environ.get("HTTP_RANGE"), total)
        except ValueError:
            return _error(start, "InvalidRange", [("Content-Range", f"bytes */{total}")])
        first, last = wanted or (0, total)
        if wanted is not None:
            status = "206 Partial Content"
            kept.append(("Content-Range", f"bytes {first}-{last - 1}/{total}"))
        start(status, [*kept, ("Content-Length", str(last - first))])
        return [] if head else self._blobs.read(claims, first, last)

    def _forget(self, environ: Environ) -> None:
        status, _, body = self._stored(environ)
        if status.startswith("200"):
            self._blobs.remove(parse_claims(body) or [])


def _set_body(environ: Environ, body: bytes) -> None:
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _cut_after(body: Iterable[bytes], size: int, connection: socket.socket) -> Iterable[bytes]:
    for chunk in body:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            break
    connection.shutdown(socket.SHUT_RDWR)


def _drain(environ: Environ) -> None:
    """Take in a body that nobody wants, or its sender would see a broken connection instead of the answer."""
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left > 0 and (chunk := environ["wsgi.input"].read(min(left, 1 << 20))):
        left -= len(chunk)


def _error(start: Start, code: str, headers: Headers | None = None) -> Iterable[bytes]:
    status = STATUS.get(code, "403 Forbidden")
    if code == "InvalidRange":
        status = "416 Requested Range Not Satisfiable"
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message></Message></Error>'.encode()
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body))), *(headers or [])])
    return [body]
