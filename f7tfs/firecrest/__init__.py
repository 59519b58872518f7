"""A client of FirecREST, versions 1 and 2, usable on its own; for trio, and for blocking code.

import f7tfs.firecrest as f7t
client = f7t.v2.Firecrest("https://firecrest.example.org", f7t.StaticToken("…"))
print(client.list_files("cluster", "/home/user"))

`v1` and `v2` have the names of pyFirecREST; `FirecrestV1` and `FirecrestV2` one method per endpoint, for trio.
"""

from __future__ import annotations

from f7tfs.firecrest import v1, v2
from f7tfs.firecrest.auth import Authorization, ClientCredentials, StaticToken, SyncAuthorization, TokenCommand
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.credentials import ApiKeyAuth, ClientCredentialsAuth, TokenCommandAuth
from f7tfs.firecrest.device import DeviceFlow
from f7tfs.firecrest.errors import (
    ClientsCredentialsException,
    ConnectionFailed,
    FirecrestException,
    HeaderException,
    NoJSONException,
    NotFound,
    NotImplementedOnAPIversion,
    RequestTimedOut,
    StagingFailed,
    StorageDownloadException,
    StorageUploadException,
    TaskException,
    TransferJobFailedException,
    UnauthorizedException,
    Uncertain,
    UnexpectedStatusException,
    UnsupportedTransferMethod,
    WaitTimedOut,
)
from f7tfs.firecrest.keyring import Keyring
from f7tfs.firecrest.limiter import background
from f7tfs.firecrest.retry import RetryPolicy
from f7tfs.firecrest.s3 import ObjectStorage
from f7tfs.firecrest.session import Options
from f7tfs.firecrest.tracing import correlation_id
from f7tfs.firecrest.v1 import (
    AsyncExternalDownload,
    AsyncExternalUpload,
    AsyncFirecrest,
    ExternalDownload,
    ExternalUpload,
    Firecrest,
)

__all__ = [
    "ApiKeyAuth",
    "AsyncExternalDownload",
    "AsyncExternalUpload",
    "AsyncFirecrest",
    "Authorization",
    "ClientCredentials",
    "ClientCredentialsAuth",
    "ClientsCredentialsException",
    "ConnectionFailed",
    "DeviceFlow",
    "ExternalDownload",
    "ExternalUpload",
    "Firecrest",
    "FirecrestException",
    "FirecrestV1",
    "FirecrestV2",
    "HeaderException",
    "Keyring",
    "NoJSONException",
    "NotFound",
    "NotImplementedOnAPIversion",
    "ObjectStorage",
    "Options",
    "RequestTimedOut",
    "RetryPolicy",
    "StagingFailed",
    "StaticToken",
    "StorageDownloadException",
    "StorageUploadException",
    "SyncAuthorization",
    "TaskException",
    "TokenCommand",
    "TokenCommandAuth",
    "TransferJobFailedException",
    "UnauthorizedException",
    "Uncertain",
    "UnexpectedStatusException",
    "UnsupportedTransferMethod",
    "WaitTimedOut",
    "background",
    "correlation_id",
    "v1",
    "v2",
]
