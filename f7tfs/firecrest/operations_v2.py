"""The operations of FirecREST v2.

A command on the cluster has five seconds there, and calls of one user queue for the same SSH connection: thirty
seconds are ample. What makes several requests of its own (submission, transfers) gets a minute.
"""

from __future__ import annotations

from f7tfs.firecrest.operations import Operation, Repeat, table

_SAFE, _COSTLY, _NEVER = Repeat.SAFE, Repeat.COSTLY, Repeat.NEVER
_STATUS = "/status/{system_name}"
_OPS = "/filesystem/{system_name}/ops"
_TRANSFER = "/filesystem/{system_name}/transfer"
_JOBS = "/compute/{system_name}/jobs"

OPERATIONS_V2 = table(
    [
        Operation("systems", "GET", "/status/systems", _SAFE, 30),
        Operation("liveness", "GET", "/status/liveness/", _SAFE, 30),
        Operation("nodes", "GET", f"{_STATUS}/nodes", _COSTLY, 60),
        Operation("reservations", "GET", f"{_STATUS}/reservations", _COSTLY, 60),
        Operation("partitions", "GET", f"{_STATUS}/partitions", _COSTLY, 60),
        Operation("userinfo", "GET", f"{_STATUS}/userinfo", _SAFE, 60),
        Operation("list_files", "GET", f"{_OPS}/ls", _COSTLY, 60),
        Operation("stat", "GET", f"{_OPS}/stat", _SAFE, 30),
        Operation("head", "GET", f"{_OPS}/head", _SAFE, 30),
        Operation("tail", "GET", f"{_OPS}/tail", _SAFE, 30),
        Operation("view", "GET", f"{_OPS}/view", _SAFE, 30),
        Operation("checksum", "GET", f"{_OPS}/checksum", _COSTLY, 30),
        Operation("file_type", "GET", f"{_OPS}/file", _SAFE, 30),
        Operation("download", "GET", f"{_OPS}/download", _COSTLY, 60),
        # An upload carries the whole content, so a second one ends in the same file. A time-out of an empty one is
        # the server's way, of any other a slow file system's.
        Operation("upload", "POST", f"{_OPS}/upload", _COSTLY, 60),
        Operation("chmod", "PUT", f"{_OPS}/chmod", _SAFE, 30),
        Operation("chown", "PUT", f"{_OPS}/chown", _SAFE, 30),
        Operation("mkdir", "POST", f"{_OPS}/mkdir", _NEVER, 30),
        Operation("symlink", "POST", f"{_OPS}/symlink", _NEVER, 30),
        Operation("rm", "DELETE", f"{_OPS}/rm", _NEVER, 30),
        # Both overwrite what the first attempt left.
        Operation("compress", "POST", f"{_OPS}/compress", _COSTLY, 60),
        Operation("extract", "POST", f"{_OPS}/extract", _NEVER, 60),
        Operation("transfer_mv", "POST", f"{_TRANSFER}/mv", _NEVER, 60),
        Operation("transfer_cp", "POST", f"{_TRANSFER}/cp", _NEVER, 60),
        Operation("transfer_rm", "DELETE", f"{_TRANSFER}/rm", _NEVER, 60),
        Operation("transfer_compress", "POST", f"{_TRANSFER}/compress", _NEVER, 60),
        Operation("transfer_extract", "POST", f"{_TRANSFER}/extract", _NEVER, 60),
        # A second transfer job would be a second job: it costs the user's account.
        Operation("transfer_upload", "POST", f"{_TRANSFER}/upload", _NEVER, 60),
        Operation("transfer_download", "POST", f"{_TRANSFER}/download", _NEVER, 60),
        Operation("submit", "POST", _JOBS, _NEVER, 60),
        Operation("jobs", "GET", _JOBS, _SAFE, 60),
        Operation("job_info", "GET", f"{_JOBS}/{{job_id}}", _SAFE, 60),
        Operation("job_metadata", "GET", f"{_JOBS}/{{job_id}}/metadata", _SAFE, 60),
        Operation("cancel", "DELETE", f"{_JOBS}/{{job_id}}", _SAFE, 60),
        Operation("attach", "PUT", f"{_JOBS}/{{job_id}}/attach", _NEVER, 60),
    ]
)
