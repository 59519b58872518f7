"""v1: the site and the user."""

from __future__ import annotations

from typing import Any

from f7tfs.firecrest.auth import claims_of
from f7tfs.firecrest.signing import OwnHeaders
from f7tfs.firecrest.v1.base import BaseV1


class Status(BaseV1):
    """Answers about the site are up to 16 minutes old."""

    async def all_services(self) -> list[dict[str, Any]]:
        """The services with `service`, `status` and `description`."""
        return await self.api.services()

    async def service(self, service_name: str) -> dict[str, Any]:
        """One service."""
        return await self.api.service(service_name)

    async def all_systems(self) -> list[dict[str, Any]]:
        """The systems with `system`, `status` and `description`."""
        return await self.api.systems()

    async def system(self, system_name: str) -> dict[str, Any]:
        """One system."""
        return await self.api.system(system_name)

    async def filesystems(self, system_name: str | None = None) -> dict[str, list[dict[str, Any]]]:
        """File systems by the name of the system; of all, or of one."""
        if system_name is None:
            return await self.api.filesystems()
        return {system_name: await self.api.filesystems_of(system_name)}

    async def parameters(self) -> dict[str, list[dict[str, Any]]]:
        """Lists of `{name, value, unit, description}` by service."""
        return await self.api.parameters()

    async def whoami(self, machine: str | None = None) -> str | None:
        """The user's name on a system; without one, as the access token has it (None where it does not)."""
        if machine is not None:
            return str(await self.api.whoami(machine, groups=False))
        if isinstance(self.authorization, OwnHeaders):
            return None
        claims = claims_of(await self.authorization.get_access_token())
        roles = (claims.get("realm_access") or {}).get("roles") or []
        name = _account_of(claims) if self._sa_role in roles else claims.get("preferred_username")
        return None if name is None else str(name)

    async def groups(self, machine: str) -> dict[str, Any]:
        """`user`, `group` and `groups`, each with `id` and `name`."""
        return dict(await self.api.whoami(machine))


def _account_of(claims: dict[str, Any]) -> Any:
    """The user that a service account works as: the first of its own client's roles."""
    roles = ((claims.get("resource_access") or {}).get(claims.get("clientId")) or {}).get("roles")
    return roles[0] if roles else claims.get("preferred_username")
