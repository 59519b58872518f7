"""The blocking client of v1, made of the asynchronous one."""

from __future__ import annotations

from typing import Any

from f7tfs.firecrest.blocking import BlockingClient, Twin, blocking, blocking_object, blocking_property
from f7tfs.firecrest.connection import Verify
from f7tfs.firecrest.session import Options
from f7tfs.firecrest.v1.client import AsyncFirecrest
from f7tfs.firecrest.v1.external import AsyncExternalDownload, AsyncExternalStorage, AsyncExternalUpload


class ExternalStorage(Twin):
    """One transfer. Its properties ask the server, unless the transfer is over."""

    @property
    def task_id(self) -> str:
        """Of the task that is this transfer."""
        return str(self.original.task_id)

    status = blocking_property(AsyncExternalStorage, lambda transfer: transfer.status)
    in_progress = blocking_property(AsyncExternalStorage, lambda transfer: transfer.in_progress)
    data = blocking_property(AsyncExternalStorage, lambda transfer: transfer.data)
    object_storage_data = blocking_property(AsyncExternalStorage, lambda transfer: transfer.object_storage_data)


class ExternalUpload(ExternalStorage):
    """A local file on its way to the cluster. `object_storage_data` has `parameters` and `command`."""

    finish_upload = blocking(AsyncExternalUpload.finish_upload)


class ExternalDownload(ExternalStorage):
    """A file of the cluster on its way here. `object_storage_data` has the `url`."""

    object_storage_link = blocking_property(AsyncExternalDownload, lambda transfer: transfer.object_storage_link)
    finish_download = blocking(AsyncExternalDownload.finish_download)
    invalidate_object_storage_link = blocking(AsyncExternalDownload.invalidate_object_storage_link)


class Firecrest(BlockingClient):
    """FirecREST v1 for blocking code. A context manager, or `close_session()`."""

    def __init__(
        self,
        firecrest_url: str,
        authorization: Any,
        verify: Verify = True,
        sa_role: str = "firecrest-sa",
        *,
        options: Options | None = None,
    ) -> None:
        """`authorization` has a method `get_access_token()`."""
        super().__init__(AsyncFirecrest(firecrest_url, authorization, verify, sa_role, options=options))

    all_services = blocking(AsyncFirecrest.all_services)
    service = blocking(AsyncFirecrest.service)
    all_systems = blocking(AsyncFirecrest.all_systems)
    system = blocking(AsyncFirecrest.system)
    filesystems = blocking(AsyncFirecrest.filesystems)
    parameters = blocking(AsyncFirecrest.parameters)
    whoami = blocking(AsyncFirecrest.whoami)
    groups = blocking(AsyncFirecrest.groups)
    list_files = blocking(AsyncFirecrest.list_files)
    stat = blocking(AsyncFirecrest.stat)
    file_type = blocking(AsyncFirecrest.file_type)
    mkdir = blocking(AsyncFirecrest.mkdir)
    mv = blocking(AsyncFirecrest.mv)
    copy = blocking(AsyncFirecrest.copy)
    chmod = blocking(AsyncFirecrest.chmod)
    chown = blocking(AsyncFirecrest.chown)
    symlink = blocking(AsyncFirecrest.symlink)
    simple_delete = blocking(AsyncFirecrest.simple_delete)
    head = blocking(AsyncFirecrest.head)
    tail = blocking(AsyncFirecrest.tail)
    view = blocking(AsyncFirecrest.view)
    checksum = blocking(AsyncFirecrest.checksum)
    simple_upload = blocking(AsyncFirecrest.simple_upload)
    simple_download = blocking(AsyncFirecrest.simple_download)
    submit = blocking(AsyncFirecrest.submit)
    poll = blocking(AsyncFirecrest.poll)
    poll_active = blocking(AsyncFirecrest.poll_active)
    cancel = blocking(AsyncFirecrest.cancel)
    wait_for_job = blocking(AsyncFirecrest.wait_for_job)
    nodes = blocking(AsyncFirecrest.nodes)
    partitions = blocking(AsyncFirecrest.partitions)
    reservations = blocking(AsyncFirecrest.reservations)
    all_reservations = blocking(AsyncFirecrest.all_reservations)
    create_reservation = blocking(AsyncFirecrest.create_reservation)
    update_reservation = blocking(AsyncFirecrest.update_reservation)
    delete_reservation = blocking(AsyncFirecrest.delete_reservation)
    compress = blocking(AsyncFirecrest.compress)
    extract = blocking(AsyncFirecrest.extract)
    submit_move_job = blocking(AsyncFirecrest.submit_move_job)
    submit_copy_job = blocking(AsyncFirecrest.submit_copy_job)
    submit_rsync_job = blocking(AsyncFirecrest.submit_rsync_job)
    submit_delete_job = blocking(AsyncFirecrest.submit_delete_job)
    submit_compress_job = blocking(AsyncFirecrest.submit_compress_job)
    submit_extract_job = blocking(AsyncFirecrest.submit_extract_job)
    external_upload = blocking_object(AsyncFirecrest.external_upload, ExternalUpload)
    external_download = blocking_object(AsyncFirecrest.external_download, ExternalDownload)
