"""The client of v2, all areas together."""

from __future__ import annotations

from f7tfs.firecrest.v2.external import External
from f7tfs.firecrest.v2.files import Files
from f7tfs.firecrest.v2.jobs import Jobs
from f7tfs.firecrest.v2_compute import StatusV2


class AsyncFirecrest(StatusV2, Files, Jobs, External):
    """FirecREST v2 for trio, by the names of pyFirecREST. A context manager, or `await close_session()`."""
