"""v1's tasks: what is not answered at once is a task, whose status is a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from f7tfs.cluster import translate
from f7tfs.cluster.diagnosis import errno_phrase
from f7tfs.cluster.errors import ClusterError, NotFound, RemoteFailure, SchedulerRefused, Uncertain
from f7tfs.cluster.patience import Patience, Poll
from f7tfs.cluster.translate import one_line, translated
from f7tfs.firecrest.client_v1 import FirecrestV1

QUEUED, FORM_READY, RETRYING = "100", "111", "115"
UPLOADED, STAGED, DONE = "114", "117", "200"
FAILED = frozenset({"118", "300", "302", "400"})

_MOST_RETRIES = 5
"""The server tries for ever to bring an upload to the cluster; after so many failures it is given up here."""
_COMPUTE = 120.0
_MISSING = 3
"""Only so many denials in a row are believed."""


class TasksV1:
    """Follows tasks of one user."""

    def __init__(self, client: FirecrestV1, patience: Patience) -> None:
        self._client = client
        self.patience = patience

    async def until(self, task_id: str, wanted: frozenset[str], bound: float, what: str) -> Mapping[str, Any]:
        """The task, once its status is one of `wanted`. Raises what its data tell when it has failed."""
        task = await self._until(task_id, wanted, bound, what)
        if task is None:
            raise RemoteFailure(f"{what}: the server knows nothing of its task any more")
        return task

    async def _until(self, task_id: str, wanted: frozenset[str], bound: float, what: str) -> Mapping[str, Any] | None:
        """None where the server knows the task no more."""
        poll = Poll(self.patience, bound, what)
        failures = missing = 0
        before = ""
        while missing < _MISSING:
            task = await self._task(task_id)
            missing = 0 if task else missing + 1
            status = str(task.get("status"))
            if status in wanted:
                return task
            if status in FAILED:
                raise failure(task, what)
            if status == RETRYING and before != RETRYING:
                failures += 1
                if failures >= _MOST_RETRIES:
                    raise failure(task, what)
            before = status
            await poll.wait()
        return None

    async def _task(self, task_id: str) -> Mapping[str, Any]:
        """Empty where the server does not know it."""
        try:
            with translated(translate.v1):
                return await self._client.task(task_id)
        except NotFound:
            return {}

    async def result(self, task_id: str, what: str) -> Any:
        """The data of a task of `compute`. Raises SchedulerRefused with the scheduler's own words, and Uncertain."""
        try:
            task = await self._until(task_id, frozenset({DONE}), _COMPUTE, what)
        except RemoteFailure as error:
            raise SchedulerRefused(str(error)) from error
        if task is None:
            raise Uncertain(f"{what}: the server knows nothing of its task any more")
        return task.get("data")


def failure(task: Mapping[str, Any], what: str) -> ClusterError:
    """The error that a failed task tells of."""
    data = task.get("data")
    text = str(data.get("error") or "") if isinstance(data, Mapping) else str(data or "")
    told = one_line(text) or str(task.get("description") or f"task status {task.get('status')}")
    return (errno_phrase(text) or RemoteFailure)(f"{what}: {told}")
