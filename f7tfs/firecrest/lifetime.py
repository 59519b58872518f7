"""The connections of a client by pyFirecREST's names: how they are closed, and opened anew."""

from __future__ import annotations

from f7tfs.firecrest.base import Client


class Lifetime:
    """What the asynchronous clients of both versions share."""

    api: Client

    async def close_session(self) -> None:
        """Close the connections."""
        await self.api.aclose()

    async def create_new_session(self) -> None:
        """Close the connections, and let there be new ones."""
        await self.api.reopen()

    @property
    def is_session_closed(self) -> bool:
        """Whether the connections are closed."""
        return self.api.is_closed

    def set_api_version(self, api_version: str) -> None:
        """Nothing here depends on the server's version: for scripts that tell it."""
