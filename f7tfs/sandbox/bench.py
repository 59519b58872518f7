"""The test bench in front of both APIs: counts calls, applies faults, cuts connections."""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
import json
import math
import os
import random
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from f7tfs.sandbox.faults import ERRORS, RateWindow, Rule, parse_faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from f7tfs.sandbox.site import Site

CLOSE_SCOPE_KEY = "f7tfs.close_connection"
"""Set in the scope to close the connection after the answer, without a word about that in it."""
CUT_SCOPE_KEY = "f7tfs.cut_connection"
"""Set in the scope to cut the connection instead of an answer."""
SEEN_SECONDS = 5.0
TOO_MANY = '{"message":"API rate limit exceeded"}'


class Bench:
    """ASGI middleware, outside everything else."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site
        self._random = random.Random(0)  # noqa: S311 - a delay, and the same ones each time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/sandbox/"):
            await self._app(scope, receive, send)
            return
        self._site.calls.count(scope["method"], scope["path"], Headers(scope=scope))
        faults = self._site.faults
        query = scope["query_string"].decode("latin-1")
        rule = faults.take_rule(f"{scope['method']} {scope['path']}" + (f"?{query}" if query else ""))
        delay = faults.latency + self._random.uniform(0, faults.jitter) + (rule.delay if rule else 0.0)
        if delay:
            await trio.sleep(delay)
        headers, over = self._rate(scope["path"])
        if over:
            await _instead(Rule(status=429, body=TOO_MANY), scope, receive, send, headers)
            return
        send = _with_headers(send, headers) if headers else send
        if rule is not None and rule.drop == "before":
            await _cut(scope, receive)
        elif rule is not None and rule.status is not None:
            await _instead(rule, scope, receive, send, headers)
        elif rule is not None and rule.truncate is not None:
            await self._serve_part(rule.truncate, scope, receive, send)
        else:
            scope[CUT_SCOPE_KEY] = rule is not None and rule.drop == "after"
            await self._serve(scope, receive, send)

    def _rate(self, path: str) -> tuple[dict[str, str], bool]:
        """The headers of the rate limit, and whether this call is over it."""
        faults = self._site.faults
        if faults.rate_limit is None or path.startswith("/auth/"):
            return {}, False
        left, seconds = self._site.window.take(faults.rate_limit, faults.rate_seconds, time.monotonic())
        reset = str(math.ceil(seconds))
        headers = {
            "ratelimit-limit": str(faults.rate_limit),
            "ratelimit-remaining": str(max(0, left)),
            "ratelimit-reset": reset,
        }
        return (headers | {"retry-after": reset} if left < 0 else headers), left < 0

    async def _serve_part(self, size: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with so many bytes of the body at most, then cut the connection, whatever length was announced."""
        left = size

        async def part(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.body":
                body = message.get("body", b"")[:left]
                left -= len(body)
                message = {"type": "http.response.body", "body": body, "more_body": True}
            await send(message)

        await self._app(scope, receive, part)
        cut_connection(scope, reset=False)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def unless_cut(message: Message) -> None:
            if not scope[CUT_SCOPE_KEY]:
                await send(message)

        # Nobody is there to be answered, and it is no fault of the server's.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, unless_cut)
        if scope[CUT_SCOPE_KEY]:
            await _cut(scope, receive)
        elif scope.get(CLOSE_SCOPE_KEY):
            cut_connection(scope, reset=False)


async def _cut(scope: Scope, receive: Receive) -> None:
    """Cut the connection, and wait until the server has seen that: else it would still send an answer of its own."""
    cut_connection(scope)
    with trio.move_on_after(SEEN_SECONDS):
        while (await receive())["type"] != "http.disconnect":
            pass


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    more = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return sending


async def _instead(rule: Rule, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
    if rule.retry_after is not None:
        headers = {**headers, "retry-after": f"{rule.retry_after:g}"}
    while (await receive()).get("more_body"):
        pass  # the whole request is taken in, or its sender would see a broken connection instead of the answer
    response = Response(rule.body, rule.status or 503, headers, rule.content_type)
    await response(scope, receive, send)


def cut_connection(scope: Scope, *, reset: bool = True) -> None:
    """Close the TCP connection of a request under the server's feet: by a reset, or orderly after what was sent.

    ASGI has no way to do this, so the socket is found among this process's descriptors by its two addresses.
    """
    client, server = scope["client"], scope["server"]
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as candidate:
                if (candidate.getpeername()[:2], candidate.getsockname()[:2]) != (tuple(client), tuple(server)):
                    continue
                if reset:
                    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                candidate.shutdown(socket.SHUT_RDWR)
                return


class Admin:
    """`/sandbox/faults` (GET, PUT, DELETE), `calls` (GET, DELETE), `traces` (GET) and `token` (POST) beside it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def refuse(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), self._site.admin_token.encode()):
            return None
        return JSONResponse({"error": "the admin token is missing or wrong"}, 401)

    async def faults(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        if request.method != "GET":
            value = {} if request.method == "DELETE" else json.loads(await request.body())
            try:
                faults = parse_faults(value)
                if faults.s3_rules or self._site.faults.s3_rules:
                    await self._site.store.set_rules([_rule_json(rule) for rule in faults.s3_rules])
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
            self._site.faults = faults
            self._site.window = RateWindow()
            self._site.quota.left = faults.quota
            self._site.quota.code = ERRORS[faults.quota_error]
        return JSONResponse(_faults_json(self._site))

    async def calls(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        counts = dict(self._site.calls.counts)
        if request.method == "DELETE":
            self._site.calls.clear()
        return JSONResponse(counts)

    async def traces(self, request: Request) -> Response:
        """The ids that the last calls carried, oldest first."""
        traces = [dataclasses.asdict(trace) for trace in self._site.calls.traces]
        return self.refuse(request) or JSONResponse(traces)

    async def token(self, request: Request) -> Response:
        """A token of any user and lifetime, for tests of what the APIs say to it; `expire` ends all earlier ones."""
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        wanted = json.loads(await request.body() or b"{}")
        if wanted.get("expire"):
            self._site.tokens.expire_all()
        token = self._site.tokens.issue(wanted.get("user"), wanted.get("seconds"))
        return JSONResponse({"access_token": token})


def _faults_json(site: Site) -> dict[str, object]:
    faults = site.faults
    plain = {name: getattr(faults, name) for name in type(faults).__slots__ if "rules" not in name}
    rules = [_rule_json(rule) for rule in faults.rules]
    s3_rules = [_rule_json(rule) for rule in faults.s3_rules]
    return {**plain, "quota": site.quota.left, "rules": rules, "s3_rules": s3_rules}


def _rule_json(rule: Rule) -> dict[str, object]:
    return {name: getattr(rule, name) for name in Rule.__slots__}
