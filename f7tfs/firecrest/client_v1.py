"""The client of FirecREST v1: one method per endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from f7tfs.firecrest.operations import Operation
from f7tfs.firecrest.operations_v1 import OPERATIONS_V1
from f7tfs.firecrest.v1_compute import ComputeV1, ReservationsV1, StatusV1, StorageV1
from f7tfs.firecrest.v1_utilities import UtilitiesV1


class FirecrestV1(UtilitiesV1, ComputeV1, StorageV1, StatusV1, ReservationsV1):
    """All of FirecREST v1 that is in `operations_v1`."""

    operations: ClassVar[Mapping[str, Operation]] = OPERATIONS_V1
