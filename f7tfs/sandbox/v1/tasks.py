"""v1's tasks: what an asynchronous call leaves to be polled."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.envelope import ApiError, answer, endpoint

HELD_POLL_SECONDS = 0.02
DESCRIPTIONS = {
    "100": "Queued",
    "110": "Waiting for Form URL from Object Storage to be retrieved",
    "111": "Form URL from Object Storage received",
    "112": "Object Storage confirms that upload to Object Storage has finished",
    "113": "Download from Object Storage to server has started",
    "114": "Download from Object Storage to server has finished",
    "115": "Download from Object Storage error",
    "116": "Started upload from filesystem to Object Storage",
    "117": "Upload from filesystem to Object Storage has finished succesfully",
    "118": "Upload from filesystem to Object Storage has finished with errors",
    "200": "Finished successfully",
    "302": "Task not longer valid",
    "400": "Finished with errors",
}


@dataclass(slots=True)
class Task:
    """One task; `status` is one of the keys above."""

    task_id: str
    user: str
    system: str
    service: str
    created: str
    updated: str
    status: str = "100"
    data: Any = "Queued"
    key: str = ""
    """Of its object in the store, if it has one."""
    sent: bool = False
    """An object is there, or was."""
    listed: tuple[str, Any] | None = None
    """What the list of tasks goes on to show after the task was invalidated."""

    def json(self, *, alone: bool) -> dict[str, Any]:
        """As shown by itself, or in the list, which takes it from another place and has no URL."""
        status, data = (self.status, self.data) if alone or self.listed is None else self.listed
        shown = {
            "task_id": self.task_id,
            "hash_id": self.task_id,
            "user": self.user,
            "system": self.system,
            "service": self.service,
            "status": status,
            "description": DESCRIPTIONS[status],
            "data": data,
            "created_at": self.created,
            "updated_at": self.updated,
            "last_modify": self.updated,
        }
        return {**shown, "task_url": f"/tasks/{self.task_id}"} if alone else shown


@dataclass(slots=True)
class Tasks:
    """All tasks since the start."""

    zone: ZoneInfo
    found: dict[str, Task] = field(default_factory=dict)

    def _now(self) -> str:
        return dt.datetime.now(self.zone).strftime("%Y-%m-%dT%H:%M:%S")

    def create(self, site: Site, service: str) -> Task:
        now = self._now()
        task = Task(uuid.uuid4().hex, site.settings.user, site.settings.system, service, now, now)
        self.found[task.task_id] = task
        return task

    def update(self, task: Task, status: str, data: Any) -> None:
        if task.status == "302":
            return
        task.status, task.data, task.updated = status, data, self._now()


async def held(site: Site, task: Task) -> None:
    """Wait while tasks are to stay at the status that this one has."""
    while site.faults.hold_tasks == task.status:  # noqa: ASYNC110 - as in jobs/local.py
        await trio.sleep(HELD_POLL_SECONDS)


def created(task: Task, status: int = 201, *, with_url: bool = True) -> Response:
    body = {"success": "Task created", "task_id": task.task_id}
    if with_url:
        body["task_url"] = f"/tasks/{task.task_id}"
    return answer(body, status)


def routes(site: Site, tasks: Tasks) -> list[Route]:
    async def one(site: Site, request: Request) -> Response:
        del site
        task = tasks.found.get(request.path_params["task"])
        if task is None:
            raise ApiError(404, {"error": f"Task {request.path_params['task']} does not exist"})
        if task.user != request.state.user:
            raise ApiError(403, {"description": "Operation not permitted. Invalid task owner."})
        return answer({"task": task.json(alone=True)})

    async def many(site: Site, request: Request) -> Response:
        del site
        wanted = request.query_params.get("tasks")
        names = set(wanted.split(",")) if wanted else None
        found = {
            name: task.json(alone=False)
            for name, task in tasks.found.items()
            if task.user == request.state.user and (names is None or name in names)
        }
        return answer({"tasks": found})

    return [
        Route("/tasks", endpoint(site, many), methods=["GET"]),
        Route("/tasks/", endpoint(site, many), methods=["GET"]),
        Route("/tasks/{task}", endpoint(site, one), methods=["GET"]),
    ]
