"""One HTTP client for one FirecREST server: authorization, slots, repetition, counting and errors."""

from __future__ import annotations

import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import trio

from f7tfs.firecrest.errors import (
    ConnectionFailed,
    FirecrestException,
    NoJSONException,
    RequestTimedOut,
    Uncertain,
    error_for,
)
from f7tfs.firecrest.http import HttpClient
from f7tfs.firecrest.limiter import ALL_LANES, Lane, Limiter
from f7tfs.firecrest.multipart import Body
from f7tfs.firecrest.operations import Operation
from f7tfs.firecrest.ratelimit import Budget, budget_of, retry_after
from f7tfs.firecrest.reply import reply_of
from f7tfs.firecrest.retry import Outcome, RetryPolicy, is_uncertain, may_repeat, outcome_of
from f7tfs.firecrest.signing import Credentials, signer_of
from f7tfs.firecrest.tracing import correlated, tracing_headers
from f7tfs.firecrest.trail import note

logger = logging.getLogger(__name__)

_KEEPALIVE = 4.0
"""Seconds. v2 closes a connection that was idle for five; one that is closed here is never used too late."""
_CONNECT = 10.0
_PATHS = ("path", "sourcePath", "targetPath", "linkPath")
_ASKED = "f7tfs"
"""Where a response carries what was asked."""
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Options:
    """How to talk to a server, with at most `concurrency` calls at once, and to object storage.

    `storage_concurrency` parts of a file are on their way there at once. The transports are for tests.
    """

    verify: bool | ssl.SSLContext = True
    concurrency: int = 8
    storage_concurrency: int = 8
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    transport: httpx.AsyncBaseTransport | None = None
    storage_transport: httpx.AsyncBaseTransport | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What one call sends, besides its route. Parameters that are None are left out."""

    params: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    content: bytes | Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> str:
        """The paths on the cluster that are named, for messages."""
        parts = (self.params, self.json or {}, self.data or {})
        named = [f"{name}={part[name]}" for part in parts for name in _PATHS if isinstance(part.get(name), str)]
        return f" {' '.join(named)}" if named else ""

    @asynccontextmanager
    async def body(self) -> AsyncIterator[bytes | AsyncIterator[bytes] | None]:
        """The content, for one attempt."""
        if callable(self.content):
            async with aclosing(self.content()) as blocks:
                yield blocks
        else:
            yield self.content


class Session:
    """Sends the calls of one client. Use `aclose` at the end."""

    def __init__(self, url: str, authorization: Credentials, options: Options | None = None) -> None:
        self._options = options = options or Options()
        self._url = url.rstrip("/")
        self._signer = signer_of(authorization)
        self._retry = options.retry
        self._limiter = Limiter(options.concurrency)
        self.calls: Counter[str] = Counter()
        self._http = _connections(options)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def reopen(self) -> None:
        """Close the connections, and let there be new ones."""
        old, self._http = self._http, _connections(self._options)
        await old.aclose()

    @property
    def is_closed(self) -> bool:
        """Whether the connections are closed."""
        return self._http.is_closed

    async def call(self, operation: Operation, arguments: Mapping[str, str], request: Request) -> httpx.Response:
        """Send a call until there is a success, a final answer, or no time left.

        Raises FirecrestException: Uncertain when a call that must not be repeated may have been carried out.
        """
        with correlated():
            return await self._call(operation, arguments, request)

    async def _call(self, operation: Operation, arguments: Mapping[str, str], request: Request) -> httpx.Response:
        began = trio.current_time()
        rejected: Mapping[str, str] | None = None
        attempt, lost = 0, False
        while True:
            signed = await self._signer.headers()
            failure, outcome, wait = await self._try(operation, arguments, request, signed, attempt)
            if isinstance(failure, httpx.Response):
                return failure
            if failure.status == 401 and rejected is None:
                rejected = signed
                self._signer.reject(signed)
                if await self._signer.headers() != rejected:
                    continue
            attempt += 1
            lost = lost or outcome in {Outcome.UNKNOWN, Outcome.COMMAND_TIMEOUT}
            if isinstance(failure, ConnectionFailed):
                # Of all attempts: an earlier one may still be carried out.
                failure.sent = lost
            late = trio.current_time() + wait - began > self._retry.total
            if late or attempt >= self._retry.attempts(failure.status) or not may_repeat(operation, outcome):
                raise _final(operation, outcome, failure)
            level = logging.DEBUG if attempt < 3 else logging.WARNING
            logger.log(level, "%s: %s; again in %.1f s", operation.label, failure, wait)
            await trio.sleep(wait)

    async def _try(
        self,
        operation: Operation,
        arguments: Mapping[str, str],
        request: Request,
        signed: Mapping[str, str],
        attempt: int,
    ) -> tuple[httpx.Response | FirecrestException, Outcome, float]:
        wait = self._retry.wait(attempt)
        route = operation.route.format(**{name: quote(value, safe="") for name, value in arguments.items()})
        asked = f"{operation.method} {route}{request.paths}"
        try:
            response = await self._send(operation, asked, route, request, {**signed, **tracing_headers()})
        except ConnectionFailed as error:
            return error, Outcome.UNKNOWN if error.sent else Outcome.NOT_DONE, wait
        reply = reply_of(response.status_code, response.headers, _text(response), asked)
        response.extensions[_ASKED] = asked
        note(reply)
        self._heed(budget_of(reply))
        if response.is_success:
            return response, Outcome.FINAL, wait
        wait = max(wait, retry_after(reply) or 0.0)
        if reply.status == 429:
            self._limiter.hold(min(wait, self._retry.total))
        return error_for(reply), outcome_of(reply), wait

    def _heed(self, budget: Budget | None) -> None:
        """Wait for the next period when the calls of this one are used up, and leave the last ones to who waits."""
        if budget is None or budget.remaining >= self._limiter.capacity:
            return
        lanes = ALL_LANES if budget.remaining < 1 else (Lane.BACKGROUND,)
        self._limiter.hold(min(budget.reset, self._retry.total), lanes)

    async def _send(
        self, operation: Operation, asked: str, route: str, request: Request, headers: Mapping[str, str]
    ) -> httpx.Response:
        async with self._limiter.slot():
            self.calls[operation.label] += 1
            began = trio.current_time()
            try:
                # v1's servers answer within a minute or not at all; a scope bounds what dribbles in.
                with trio.fail_after(_CONNECT + operation.seconds):
                    response = await self._exchange(operation, route, request, headers)
            except (httpx.TransportError, trio.TooSlowError) as error:
                raise _no_answer(error, asked) from error
            seconds = trio.current_time() - began
            traced = headers.get("X-Correlation-ID")
            logger.debug("%s: %d in %.3f s, correlation %s", asked, response.status_code, seconds, traced)
            return response

    async def _exchange(
        self, operation: Operation, route: str, request: Request, headers: Mapping[str, str]
    ) -> httpx.Response:
        params = {name: value for name, value in request.params.items() if value is not None}
        async with request.body() as content:
            return await self._http.request(
                operation.method,
                self._url + route,
                params=params or None,
                json=request.json,
                data=request.data,
                content=content,
                headers={**request.headers, **headers},
                timeout=httpx.Timeout(operation.seconds, connect=_CONNECT),
            )


def _connections(options: Options) -> HttpClient:
    return HttpClient(
        verify=options.verify,
        transport=options.transport,
        limits=httpx.Limits(
            max_connections=2 * options.concurrency,
            max_keepalive_connections=options.concurrency,
            keepalive_expiry=_KEEPALIVE,
        ),
        headers={"User-Agent": "f7tfs", "Accept": "*/*"},
    )


def _text(response: httpx.Response) -> str:
    """As much of a body as a reply could keep: a download is not decoded for it."""
    return response.text if response.is_error else response.content[:5000].decode("utf-8", "replace")


def _no_answer(error: httpx.TransportError | trio.TooSlowError, asked: str) -> ConnectionFailed:
    sent = not isinstance(error, _NEVER_LEFT)
    if isinstance(error, httpx.TimeoutException | trio.TooSlowError):
        return RequestTimedOut(f"{asked}: no answer in time", sent=sent)
    return ConnectionFailed(f"{asked}: {str(error) or type(error).__name__}", sent=sent)


def _final(operation: Operation, outcome: Outcome, failure: FirecrestException) -> FirecrestException:
    if not is_uncertain(operation, outcome):
        return failure
    uncertain = Uncertain(
        failure.responses, f"{operation.name} may or may not have been carried out: {failure.message}"
    )
    uncertain.__cause__ = failure
    return uncertain


def json_of(response: httpx.Response) -> Any:
    """The JSON of a success. Raises NoJSONException."""
    try:
        return response.json()
    except ValueError:
        raise _no_json(response) from None


def field_of(response: httpx.Response, key: str) -> Any:
    """One member of the JSON object of a success. Raises NoJSONException."""
    body = json_of(response)
    if not isinstance(body, dict) or key not in body:
        raise _no_json(response)
    return body[key]


def _no_json(response: httpx.Response) -> NoJSONException:
    asked = str(response.extensions.get(_ASKED, ""))
    return NoJSONException([reply_of(response.status_code, response.headers, response.text, asked)])
