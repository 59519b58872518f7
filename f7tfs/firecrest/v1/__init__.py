"""FirecREST v1 by the names of pyFirecREST: `AsyncFirecrest` for trio, and its blocking twin `Firecrest`."""

from __future__ import annotations

from f7tfs.firecrest.v1.blocking import ExternalDownload, ExternalUpload, Firecrest
from f7tfs.firecrest.v1.client import AsyncFirecrest
from f7tfs.firecrest.v1.external import AsyncExternalDownload, AsyncExternalUpload

__all__ = [
    "AsyncExternalDownload",
    "AsyncExternalUpload",
    "AsyncFirecrest",
    "ExternalDownload",
    "ExternalUpload",
    "Firecrest",
]
