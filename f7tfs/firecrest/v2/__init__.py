"""FirecREST v2 by the names of pyFirecREST: `AsyncFirecrest` for trio, and its blocking twin `Firecrest`."""

from __future__ import annotations

from f7tfs.firecrest.v2.blocking import ExternalDownload, ExternalUpload, Firecrest
from f7tfs.firecrest.v2.client import AsyncFirecrest
from f7tfs.firecrest.v2.transfers import AsyncExternalDownload, AsyncExternalUpload

__all__ = [
    "AsyncExternalDownload",
    "AsyncExternalUpload",
    "AsyncFirecrest",
    "ExternalDownload",
    "ExternalUpload",
    "Firecrest",
]
