"""The operations of FirecREST v1.

Requests queue behind each other at a v1 site, and its gateway gives up after a minute: so does each attempt here.
"""

from __future__ import annotations

from f7tfs.firecrest.operations import Operation, Repeat, table

_SAFE, _COSTLY, _NEVER = Repeat.SAFE, Repeat.COSTLY, Repeat.NEVER
_SECONDS = 65.0


def _operation(name: str, method: str, route: str, repeat: Repeat) -> Operation:
    return Operation(name, method, route, repeat, _SECONDS)


OPERATIONS_V1 = table(
    [
        _operation("services", "GET", "/status/services", _SAFE),
        _operation("service", "GET", "/status/services/{service_name}", _SAFE),
        _operation("systems", "GET", "/status/systems", _SAFE),
        _operation("system", "GET", "/status/systems/{system_name}", _SAFE),
        _operation("filesystems", "GET", "/status/filesystems", _SAFE),
        _operation("filesystems_of", "GET", "/status/filesystems/{system_name}", _SAFE),
        _operation("parameters", "GET", "/status/parameters", _SAFE),
        _operation("whoami", "GET", "/utilities/whoami", _SAFE),
        _operation("list_files", "GET", "/utilities/ls", _COSTLY),
        _operation("stat", "GET", "/utilities/stat", _SAFE),
        _operation("file_type", "GET", "/utilities/file", _SAFE),
        _operation("checksum", "GET", "/utilities/checksum", _COSTLY),
        _operation("head", "GET", "/utilities/head", _SAFE),
        _operation("tail", "GET", "/utilities/tail", _SAFE),
        _operation("view", "GET", "/utilities/view", _SAFE),
        _operation("simple_download", "GET", "/utilities/download", _COSTLY),
        # The whole content each time: a second one ends in the same file.
        _operation("simple_upload", "POST", "/utilities/upload", _COSTLY),
        _operation("chmod", "PUT", "/utilities/chmod", _SAFE),
        _operation("chown", "PUT", "/utilities/chown", _SAFE),
        _operation("mkdir", "POST", "/utilities/mkdir", _NEVER),
        _operation("symlink", "POST", "/utilities/symlink", _NEVER),
        _operation("mv", "PUT", "/utilities/rename", _NEVER),
        _operation("copy", "POST", "/utilities/copy", _NEVER),
        _operation("simple_delete", "DELETE", "/utilities/rm", _NEVER),
        _operation("compress", "POST", "/utilities/compress", _COSTLY),
        _operation("extract", "POST", "/utilities/extract", _NEVER),
        _operation("submit_upload", "POST", "/compute/jobs/upload", _NEVER),
        _operation("submit_path", "POST", "/compute/jobs/path", _NEVER),
        # These start a task each, which only reads.
        _operation("poll_active", "GET", "/compute/jobs", _SAFE),
        _operation("poll", "GET", "/compute/acct", _SAFE),
        _operation("cancel", "DELETE", "/compute/jobs/{job_id}", _SAFE),
        _operation("nodes", "GET", "/compute/nodes", _SAFE),
        _operation("partitions", "GET", "/compute/partitions", _SAFE),
        _operation("reservations", "GET", "/compute/reservations", _SAFE),
        _operation("all_reservations", "GET", "/reservations", _SAFE),
        _operation("create_reservation", "POST", "/reservations", _NEVER),
        # The same values once more.
        _operation("update_reservation", "PUT", "/reservations/{reservation}", _SAFE),
        _operation("delete_reservation", "DELETE", "/reservations/{reservation}", _NEVER),
        _operation("internal_transfer", "POST", "/storage/xfer-internal/{action}", _NEVER),
        _operation("external_upload", "POST", "/storage/xfer-external/upload", _NEVER),
        # A second staged copy of a file harms nobody; it expires.
        _operation("external_download", "POST", "/storage/xfer-external/download", _SAFE),
        _operation("invalidate", "POST", "/storage/xfer-external/invalidate", _SAFE),
        _operation("task", "GET", "/tasks/{task_id}", _SAFE),
        _operation("tasks", "GET", "/tasks/", _SAFE),
    ]
)
