"""v1: reservations of nodes. Servers from 1.17 on have none of these calls and answer NotFound."""

from __future__ import annotations

from typing import Any

from f7tfs.firecrest.v1.base import BaseV1


class Reservations(BaseV1):
    """Times are `YYYY-MM-DDTHH:MM:SS`, in the system's own time zone; numbers are texts."""

    async def all_reservations(self, machine: str) -> list[dict[str, Any]]:
        """The active reservations; see `reservations` for what later servers have."""
        return await self.api.all_reservations(machine)

    async def create_reservation(
        self,
        machine: str,
        reservation: str,
        account: str,
        number_of_nodes: str,
        node_type: str,
        start_time: str,
        end_time: str,
    ) -> None:
        """Reserve nodes for a group."""
        fields = _fields(account, number_of_nodes, node_type, start_time, end_time)
        await self.api.create_reservation(machine, reservation, fields)

    async def update_reservation(
        self,
        machine: str,
        reservation: str,
        account: str,
        number_of_nodes: str,
        node_type: str,
        start_time: str,
        end_time: str,
    ) -> None:
        """Change a reservation."""
        fields = _fields(account, number_of_nodes, node_type, start_time, end_time)
        await self.api.update_reservation(machine, reservation, fields)

    async def delete_reservation(self, machine: str, reservation: str) -> None:
        """Give a reservation up."""
        await self.api.delete_reservation(machine, reservation)


def _fields(account: str, number_of_nodes: str, node_type: str, start_time: str, end_time: str) -> dict[str, str]:
    return {
        "account": account,
        "numberOfNodes": number_of_nodes,
        "nodeType": node_type,
        "starttime": start_time,
        "endtime": end_time,
    }
