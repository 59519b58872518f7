"""The client of v1, all areas together."""

from __future__ import annotations

from f7tfs.firecrest.v1.external import External
from f7tfs.firecrest.v1.files import Files
from f7tfs.firecrest.v1.internal import Internal
from f7tfs.firecrest.v1.reservations import Reservations
from f7tfs.firecrest.v1.status import Status


class AsyncFirecrest(Status, Files, Internal, External, Reservations):
    """FirecREST v1 for trio, by the names of pyFirecREST. A context manager, or `await close_session()`."""
