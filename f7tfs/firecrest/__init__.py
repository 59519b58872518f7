"""A client of FirecREST, versions 1 and 2, for trio. It is usable on its own.

async with FirecrestV2("https://firecrest.example.org", StaticToken("…")) as client:
    entries = await client.list_files("cluster", "/home/user")
"""

from __future__ import annotations

from f7tfs.firecrest.auth import Authorization, ClientCredentials, StaticToken, SyncAuthorization, TokenCommand
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.limiter import background
from f7tfs.firecrest.retry import RetryPolicy
from f7tfs.firecrest.s3 import ObjectStorage
from f7tfs.firecrest.session import Options

__all__ = [
    "Authorization",
    "ClientCredentials",
    "FirecrestException",
    "FirecrestV1",
    "FirecrestV2",
    "ObjectStorage",
    "Options",
    "RetryPolicy",
    "StaticToken",
    "SyncAuthorization",
    "TokenCommand",
    "background",
]
