"""The client of FirecREST v2: one method per endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from f7tfs.firecrest.operations import Operation
from f7tfs.firecrest.operations_v2 import OPERATIONS_V2
from f7tfs.firecrest.v2_compute import ComputeV2, StatusV2
from f7tfs.firecrest.v2_filesystem import FilesystemV2
from f7tfs.firecrest.v2_transfer import TransferV2


class FirecrestV2(FilesystemV2, TransferV2, ComputeV2, StatusV2):
    """All of FirecREST v2 that is in `operations_v2`."""

    operations: ClassVar[Mapping[str, Operation]] = OPERATIONS_V2
