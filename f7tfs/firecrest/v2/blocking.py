"""The blocking client of v2, made of the asynchronous one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from f7tfs.firecrest.blocking import BlockingClient, Twin, blocking, blocking_object
from f7tfs.firecrest.connection import Verify
from f7tfs.firecrest.session import Options
from f7tfs.firecrest.v2.client import AsyncFirecrest
from f7tfs.firecrest.v2.transfers import AsyncExternalDownload, AsyncExternalUpload


class ExternalTransfer(Twin):
    """A transfer job, and what the server told of object storage."""

    @property
    def transfer_data(self) -> Mapping[str, Any]:
        """`transferJob` and `transferDirectives`."""
        return dict(self.original.transfer_data)

    @property
    def object_storage_data(self) -> Mapping[str, Any]:
        """The presigned URLs."""
        return dict(self.original.object_storage_data)


class ExternalUpload(ExternalTransfer):
    """A local file on its way to the cluster."""

    upload_file_to_stage = blocking(AsyncExternalUpload.upload_file_to_stage)
    wait_for_transfer_job = blocking(AsyncExternalUpload.wait_for_transfer_job)


class ExternalDownload(ExternalTransfer):
    """A file of the cluster on its way here."""

    wait_for_transfer_job = blocking(AsyncExternalDownload.wait_for_transfer_job)
    download_file_from_stage = blocking(AsyncExternalDownload.download_file_from_stage)


def _upload(transfer: AsyncExternalUpload | None) -> ExternalUpload | None:
    return None if transfer is None else ExternalUpload(transfer)


def _download(transfer: AsyncExternalDownload | None) -> ExternalDownload | None:
    return None if transfer is None else ExternalDownload(transfer)


class Firecrest(BlockingClient):
    """FirecREST v2 for blocking code. A context manager, or `close_session()`."""

    def __init__(
        self, firecrest_url: str, authorization: Any, verify: Verify = True, *, options: Options | None = None
    ) -> None:
        """`authorization` has a method `get_access_token()`."""
        super().__init__(AsyncFirecrest(firecrest_url, authorization, verify, options=options))

    def set_maximum_s3_connections(self, max_connections: int) -> None:
        """Let so many parts of a file be on their way to object storage at once, of transfers from now on."""
        self.original.set_maximum_s3_connections(max_connections)

    MAX_DIRECT_UPLOAD_SIZE = AsyncFirecrest.MAX_DIRECT_UPLOAD_SIZE
    MAX_DIRECT_DOWNLOAD_SIZE = AsyncFirecrest.MAX_DIRECT_DOWNLOAD_SIZE

    systems = blocking(AsyncFirecrest.systems)
    liveness = blocking(AsyncFirecrest.liveness)
    nodes = blocking(AsyncFirecrest.nodes)
    reservations = blocking(AsyncFirecrest.reservations)
    partitions = blocking(AsyncFirecrest.partitions)
    userinfo = blocking(AsyncFirecrest.userinfo)
    list_files = blocking(AsyncFirecrest.list_files)
    stat = blocking(AsyncFirecrest.stat)
    view = blocking(AsyncFirecrest.view)
    file_type = blocking(AsyncFirecrest.file_type)
    mkdir = blocking(AsyncFirecrest.mkdir)
    symlink = blocking(AsyncFirecrest.symlink)
    chmod = blocking(AsyncFirecrest.chmod)
    chown = blocking(AsyncFirecrest.chown)
    head = blocking(AsyncFirecrest.head)
    tail = blocking(AsyncFirecrest.tail)
    checksum = blocking(AsyncFirecrest.checksum)
    mv = blocking(AsyncFirecrest.mv)
    cp = blocking(AsyncFirecrest.cp)
    rm = blocking(AsyncFirecrest.rm)
    compress = blocking(AsyncFirecrest.compress)
    extract = blocking(AsyncFirecrest.extract)
    submit = blocking(AsyncFirecrest.submit)
    job_info = blocking(AsyncFirecrest.job_info)
    job_metadata = blocking(AsyncFirecrest.job_metadata)
    cancel_job = blocking(AsyncFirecrest.cancel_job)
    attach_to_job = blocking(AsyncFirecrest.attach_to_job)
    server_version = blocking(AsyncFirecrest.server_version)
    wait_for_job = blocking(AsyncFirecrest.wait_for_job)
    upload = blocking_object(AsyncFirecrest.upload, _upload)
    download = blocking_object(AsyncFirecrest.download, _download)
