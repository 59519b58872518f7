"""Finding out what a URL is, and connecting to one system of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from f7tfs.cluster import translate
from f7tfs.cluster.port import Cluster
from f7tfs.cluster.site_v2 import find_system, site_of
from f7tfs.cluster.translate import translated
from f7tfs.cluster.v2 import FilesV2
from f7tfs.firecrest.auth import Authorization
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.session import Options


@asynccontextmanager
async def connect(
    url: str,
    authorization: Authorization,
    system: str,
    *,
    escape_quotes: bool = True,
    options: Options | None = None,
) -> AsyncIterator[Cluster]:
    """One system of the site at `url`, for the time of the block."""
    async with FirecrestV2(url, authorization, options) as client:
        with translated(translate.v2):
            systems = await client.systems()
        yield FilesV2(client, site_of(find_system(systems, system)), escape_quotes=escape_quotes)  # type: ignore[misc]
