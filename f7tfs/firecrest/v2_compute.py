"""FirecREST v2: `/compute/{system}/jobs` and `/status`."""

from __future__ import annotations

from typing import Any

from f7tfs.firecrest.base import Client
from f7tfs.firecrest.session import field_of, json_of


class ComputeV2(Client):
    """Jobs. All methods raise FirecrestException."""

    async def submit(self, system_name: str, job: dict[str, Any]) -> str:
        """Submit a job description (`workingDirectory`, `script` or `scriptPath`, …); its id. POST jobs."""
        return str(field_of(await self._call("submit", {"system_name": system_name}, json={"job": job}), "jobId"))

    async def jobs(self, system_name: str, **params: str | bool) -> list[dict[str, Any]]:
        """The user's active and recent jobs; parameters allusers, account, name, time_window. GET jobs."""
        response = await self._call("jobs", {"system_name": system_name}, params=params)
        return list(field_of(response, "jobs") or [])

    async def job_info(self, system_name: str, job_id: str) -> list[dict[str, Any]]:
        """One job: a list of one, or of more for an array. GET jobs/ID."""
        return await self._job("job_info", system_name, job_id)

    async def job_metadata(self, system_name: str, job_id: str) -> list[dict[str, Any]]:
        """Script and names of the output files. GET jobs/ID/metadata."""
        return await self._job("job_metadata", system_name, job_id)

    async def cancel(self, system_name: str, job_id: str) -> None:
        """Cancel a job. DELETE jobs/ID."""
        await self._call("cancel", {"system_name": system_name, "job_id": job_id})

    async def attach(self, system_name: str, job_id: str, command: str) -> None:
        """Run a command inside a running job. PUT jobs/ID/attach."""
        await self._call("attach", {"system_name": system_name, "job_id": job_id}, json={"command": command})

    async def _job(self, name: str, system_name: str, job_id: str) -> list[dict[str, Any]]:
        response = await self._call(name, {"system_name": system_name, "job_id": job_id})
        return list(field_of(response, "jobs") or [])


class StatusV2(Client):
    """The site and the user. All methods raise FirecrestException."""

    async def systems(self) -> list[dict[str, Any]]:
        """All systems with their limits, file systems and health. GET status/systems."""
        return list(field_of(await self._call("systems", {}), "systems"))

    async def status_systems(self) -> dict[str, Any]:
        """The whole answer of `systems`, also of a v1 site: by it the versions can be told apart."""
        response = await self._call("systems", {})
        body = json_of(response)
        return dict(body) if isinstance(body, dict) else {}

    async def liveness(self) -> dict[str, Any]:
        """When the health checks ran. GET status/liveness/."""
        return dict(json_of(await self._call("liveness", {})))

    async def nodes(self, system_name: str) -> list[dict[str, Any]]:
        """GET status/SYSTEM/nodes."""
        return list(field_of(await self._call("nodes", {"system_name": system_name}), "nodes"))

    async def reservations(self, system_name: str) -> list[dict[str, Any]]:
        """GET status/SYSTEM/reservations."""
        return list(field_of(await self._call("reservations", {"system_name": system_name}), "reservations"))

    async def partitions(self, system_name: str) -> list[dict[str, Any]]:
        """GET status/SYSTEM/partitions."""
        return list(field_of(await self._call("partitions", {"system_name": system_name}), "partitions"))

    async def userinfo(self, system_name: str) -> dict[str, Any]:
        """User, groups and accounts, with ids as texts. GET status/SYSTEM/userinfo."""
        return dict(json_of(await self._call("userinfo", {"system_name": system_name})))
