"""What the areas of the v1 client share: the connection, and waiting for tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Any, Self

import trio

from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.connection import Verify, authorization_of, options_of
from f7tfs.firecrest.errors import task_error
from f7tfs.firecrest.lifetime import Lifetime
from f7tfs.firecrest.polling import TASK_WAITS, endless
from f7tfs.firecrest.session import Options
from f7tfs.firecrest.trail import trail

DONE = "200"
FAILED = frozenset({"118", "300", "302", "400"})


class BaseV1(Lifetime):
    """A client of one site. All methods raise FirecrestException; local files raise OSError."""

    api: FirecrestV1

    def __init__(
        self,
        firecrest_url: str,
        authorization: Any,
        verify: Verify = True,
        sa_role: str = "firecrest-sa",
        *,
        options: Options | None = None,
    ) -> None:
        """`authorization` has a method `get_access_token()`, blocking or not."""
        self.authorization = authorization_of(authorization)
        self.options = options_of(verify, options)
        self.api = FirecrestV1(firecrest_url, self.authorization, self.options)
        """One method per endpoint."""
        self.polling_sleep_times: Sequence[float] = TASK_WAITS
        """Seconds before each look at a task; the last one is repeated."""
        self._sa_role = sa_role

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_session()

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far, by `METHOD route`."""
        return self.api.calls

    async def task_until(self, task_id: str, wanted: frozenset[str]) -> dict[str, Any]:
        """The record of a task once its status is one of `wanted`. Raises TaskException when it has failed."""
        with trail():
            for seconds in endless(self.polling_sleep_times):
                await trio.sleep(seconds)
                task = await self.api.task(task_id)
                if task.get("status") in wanted:
                    return task
                if task.get("status") in FAILED:
                    raise task_error(task)
        raise AssertionError("waits have no end")

    async def _result(self, start: Awaitable[str]) -> Any:
        """What came of the task that `start` starts."""
        return (await self._task(start))["data"]

    async def _task(self, start: Awaitable[str]) -> dict[str, Any]:
        """The record of that task."""
        with trail():
            return await self.task_until(await start, frozenset({DONE}))
