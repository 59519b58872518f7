"""What the clients of both versions share."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from f7tfs.firecrest.operations import Operation
from f7tfs.firecrest.session import Options, Request, Session
from f7tfs.firecrest.signing import Credentials


class Client:
    """A session and the table of operations; the methods come from one class per area of the API."""

    operations: ClassVar[Mapping[str, Operation]]

    def __init__(self, url: str, authorization: Credentials, options: Options | None = None) -> None:
        self._session = Session(url, authorization, options)

    @classmethod
    def over(cls, other: Client) -> Self:
        """A client that shares the connections of another."""
        client = cls.__new__(cls)
        client._session = other._session  # noqa: SLF001 - a client too
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.aclose()

    async def reopen(self) -> None:
        """Close the connections, and let there be new ones."""
        await self._session.reopen()

    @property
    def is_closed(self) -> bool:
        """Whether the connections are closed."""
        return self._session.is_closed

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far, by `METHOD route`."""
        return dict(self._session.calls)

    async def _call(self, name: str, arguments: Mapping[str, str], **request: Any) -> httpx.Response:
        return await self._session.call(self.operations[name], arguments, Request(**request))
