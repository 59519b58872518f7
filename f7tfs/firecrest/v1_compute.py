"""FirecREST v1: `/compute`. Each call starts a task, whose id is returned; `task` tells what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from f7tfs.firecrest.base import Client
from f7tfs.firecrest.multipart import form, raw_filename
from f7tfs.firecrest.session import field_of, json_of
from f7tfs.firecrest.v1_utilities import machine


class ComputeV1(Client):
    """Jobs. All methods raise FirecrestException."""

    async def submit_upload(
        self, system_name: str, script: bytes | Path, fields: Mapping[str, str], filename: str = "job.sh"
    ) -> str:
        """Submit a script, its text or a local file; fields account and env (JSON). POST jobs/upload."""
        body, headers = await form(fields, raw_filename(filename)).around(script)
        return _task(await self._call("submit_upload", {}, content=body, headers={**machine(system_name), **headers}))

    async def submit_path(
        self, system_name: str, path: str, account: str | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Submit a script that is on the cluster, in whose directory it will run. POST jobs/path."""
        data = {"targetPath": path}
        if account:
            data["account"] = account
        if env:
            data["env"] = json.dumps(dict(env))
        return _task(await self._call("submit_path", {}, data=data, headers=machine(system_name)))

    async def poll_active(self, system_name: str, job_ids: Sequence[str] = (), **options: str | int | None) -> str:
        """Jobs in the queue, of the user or those named; options pageSize, pageNumber. GET jobs."""
        return await self._jobs("poll_active", system_name, job_ids, options)

    async def poll(self, system_name: str, job_ids: Sequence[str] = (), **options: str | int | None) -> str:
        """Accounting of jobs, ended ones too; of today, or those named.

        Options starttime, endtime, pageSize, pageNumber. GET acct.
        """
        return await self._jobs("poll", system_name, job_ids, options)

    async def cancel(self, system_name: str, job_id: str) -> str:
        """Cancel a job. DELETE jobs/ID."""
        return _task(await self._call("cancel", {"job_id": job_id}, headers=machine(system_name)))

    async def nodes(self, system_name: str, names: Sequence[str] = ()) -> str:
        """All, or those named. GET nodes."""
        params = {"nodes": ",".join(names) or None}
        return _task(await self._call("nodes", {}, params=params, headers=machine(system_name)))

    async def partitions(self, system_name: str, names: Sequence[str] = ()) -> str:
        """All, or those named. GET partitions."""
        params = {"partitions": ",".join(names) or None}
        return _task(await self._call("partitions", {}, params=params, headers=machine(system_name)))

    async def reservations(self, system_name: str, names: Sequence[str] = ()) -> str:
        """All, or those named. GET reservations."""
        params = {"reservations": ",".join(names) or None}
        return _task(await self._call("reservations", {}, params=params, headers=machine(system_name)))

    async def _jobs(
        self, name: str, system_name: str, job_ids: Sequence[str], options: Mapping[str, str | int | None]
    ) -> str:
        params = {"jobs": ",".join(job_ids) or None, **options}
        return _task(await self._call(name, {}, params=params, headers=machine(system_name)))


class ReservationsV1(Client):
    """Reservations of nodes, at sites that run a server up to 1.16. All methods raise FirecrestException."""

    async def all_reservations(self, system_name: str) -> list[Any]:
        """The active ones. GET reservations."""
        return list(field_of(await self._call("all_reservations", {}, headers=machine(system_name)), "success"))

    async def create_reservation(self, system_name: str, reservation: str, fields: Mapping[str, str]) -> None:
        """Fields account, numberOfNodes, nodeType, starttime, endtime. POST reservations."""
        data = {"reservation": reservation, **fields}
        await self._call("create_reservation", {}, data=data, headers=machine(system_name))

    async def update_reservation(self, system_name: str, reservation: str, fields: Mapping[str, str]) -> None:
        """The same fields. PUT reservations/NAME."""
        arguments = {"reservation": reservation}
        await self._call("update_reservation", arguments, data=dict(fields), headers=machine(system_name))

    async def delete_reservation(self, system_name: str, reservation: str) -> None:
        """DELETE reservations/NAME."""
        await self._call("delete_reservation", {"reservation": reservation}, headers=machine(system_name))


class StorageV1(Client):
    """Transfers through object storage and as jobs; each starts a task. All methods raise FirecrestException."""

    async def external_upload(self, system_name: str, source_name: str, target_path: str) -> str:
        """Ask for a form by which `source_name` can be uploaded. POST xfer-external/upload."""
        data = {"sourcePath": source_name, "targetPath": target_path}
        return _task(await self._call("external_upload", {}, data=data, headers=machine(system_name)))

    async def external_download(self, system_name: str, source_path: str) -> str:
        """Have a file copied into object storage. POST xfer-external/download."""
        data = {"sourcePath": source_path}
        return _task(await self._call("external_download", {}, data=data, headers=machine(system_name)))

    async def invalidate(self, task_id: str) -> None:
        """Let the server forget a task of the two above. POST xfer-external/invalidate."""
        await self._call("invalidate", {}, headers={"X-Task-Id": task_id})

    async def internal_transfer(self, system_name: str, action: str, fields: Mapping[str, str]) -> str:
        """Submit a job: cp, mv, rsync, rm, compress or extract. POST xfer-internal/ACTION."""
        arguments = {"action": action}
        return _task(
            await self._call("internal_transfer", arguments, data=dict(fields), headers=machine(system_name))
        )

    async def task(self, task_id: str) -> dict[str, Any]:
        """One task: `status` (a text of digits), `description`, `data`. GET tasks/ID."""
        return dict(field_of(await self._call("task", {"task_id": task_id}), "task"))

    async def tasks(self, task_ids: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Several tasks by their ids, unknown ones left out; or all of the user's. GET tasks/."""
        params = {"tasks": ",".join(task_ids) or None}
        return dict(field_of(await self._call("tasks", {}, params=params), "tasks"))


class StatusV1(Client):
    """The site. All methods raise FirecrestException; answers are up to 16 minutes old."""

    async def services(self) -> list[dict[str, Any]]:
        """GET status/services."""
        return list(field_of(await self._call("services", {}), "out"))

    async def service(self, service_name: str) -> dict[str, Any]:
        """GET status/services/NAME."""
        return dict(json_of(await self._call("service", {"service_name": service_name})))

    async def systems(self) -> list[dict[str, Any]]:
        """GET status/systems."""
        return list(field_of(await self._call("systems", {}), "out"))

    async def system(self, system_name: str) -> dict[str, Any]:
        """GET status/systems/NAME."""
        return dict(field_of(await self._call("system", {"system_name": system_name}), "out"))

    async def filesystems(self) -> dict[str, list[dict[str, Any]]]:
        """File systems by the name of the system. GET status/filesystems."""
        return dict(field_of(await self._call("filesystems", {}), "out"))

    async def filesystems_of(self, system_name: str) -> list[dict[str, Any]]:
        """Those of one system. GET status/filesystems/NAME."""
        return list(field_of(await self._call("filesystems_of", {"system_name": system_name}), "out"))

    async def parameters(self) -> dict[str, list[dict[str, Any]]]:
        """Lists of `{name, value, unit}` by service. GET status/parameters."""
        return dict(field_of(await self._call("parameters", {}), "out"))


def _task(response: Any) -> str:
    return str(field_of(response, "task_id"))
