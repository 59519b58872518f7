"""Calls recorded from a real v2 are repeated one by one: status, headers and bodies must be the same."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.sandbox import test_replay_v2_flows as flows
from tests.sandbox.recordings import check, masked, outlined, single
from tests.sandbox.trees import AS_ROOT, FOREIGN_UID, build_v2, sized, write

NEEDS_FOREIGN_FILES = {"perm_chmod"}
TOKENS = {"no_token": None, "garbage_token": "garbage", "expired_token": -10.0, "soon_expiring_token": 20.0}
FAULTS: dict[str, dict[str, Any]] = {
    "sshd_down_unhealthy_stat": {"unhealthy": True},
    "sshd_down_unhealthy_systems": {"unhealthy": True},
    "sshd_down_healthy_stat": {"connection_lost": 1},
    "sshd_down_healthy_submit": {"connection_lost": 1},
    "ssh_session_killed_then_stat_0": {"connection_lost": 1},
}


def by_name(recording: dict[str, Any]) -> str:
    name: str = recording["name"]
    return name


@pytest.fixture(scope="module")
def v2_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {**flows.SETTINGS, "require_account": True, "more_users": {str(FOREIGN_UID): "firesrv"}}
    with SandboxProcess(tmp_path_factory.mktemp("v2"), **settings) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def v2_utf8_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Also one whose commands have no time."""
    settings = {**flows.SETTINGS, "time_zone": "Europe/Zurich", "utf8_locale": True, "command_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("v2utf8"), **settings) as sandbox:
        yield sandbox


# -- what a recording found ----------------------------------------------------------------------


def crowd(x: Path) -> None:
    """A listing of more than 5 MiB."""
    for number in range(24_000):
        os.close(os.open(x / "many" / f"{number:0>200}", os.O_CREAT | os.O_WRONLY))


def before_christ(x: Path) -> None:
    write(x / "neg", b"")
    os.utime(x / "neg", (-315619200, -315619200))


def unreadable(x: Path) -> None:
    (x / "ro").mkdir(mode=0)
    (x / "part/locked").chmod(0o755)


def archive(x: Path) -> None:
    (x / "x").mkdir()
    with tarfile.open(x / ".t.tgz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("empty"), io.BytesIO())


def encodings(x: Path) -> None:
    (x / "n").mkdir()
    for name in (b"a\nb", b"back\\slash", b'dq"q', "héllo".encode(), b"latin1-\xe9", b"new\\nline", b"tab\tx"):
        (x / "n" / os.fsdecode(name)).write_bytes(b"x")
    (x / "n/日本").write_bytes(b"x")


BEFORE: dict[str, Callable[[Path], object]] = {
    "mkdir_existing": lambda x: (x / "d1").mkdir(),
    "ls_recursive_with_unreadable": unreadable,
    "symlink_onto_dir": lambda x: (x / "tgt/f").unlink(),
    "ls_55000": crowd,
    "stat_neg": before_christ,
    "chmod_symbolic": lambda x: (x / "c").chmod(0o4755 & ~0o004 | 0o001),
    "upload_outside_fs_by_filename": lambda x: (x.parents[2] / "opt").mkdir(exist_ok=True),
    "checksum_slow": lambda x: sized(x / "sp6", 6 * 10**9),
    "tar_trick_extract": archive,
    "ls_utf8_locale": encodings,
}


# -- what is compared ----------------------------------------------------------------------------


def failing_entries(body: Any) -> Any:
    """`ls -L` names the failing entries in the order of the directory, which differs between file systems."""
    return sorted(body["message"].partition("error message:")[2].splitlines())


def first_system(body: Any) -> Any:
    """The sandbox has one system, and its machine another name."""
    shown = outlined(body["systems"][0])
    for service in shown["servicesHealth"]:
        service["message"] = (service["message"] or "").replace("'vm'", "'localhost'")
    return shown


def without_trace(body: Any) -> Any:
    """Without where in the server's source, and with the kind of error."""
    return masked({**body, "message": body["message"].partition("\n\n")[0]})


def without_owner(body: Any) -> Any:
    return [{k: v for k, v in entry.items() if k not in {"user", "group", *MOMENTS}} for entry in body["output"]]


MOMENTS = {"lastModified"}
VIEWS: dict[str, Callable[[Any], Any]] = {
    "ls_dereference": failing_entries,
    "checksum": lambda body: body["output"].keys(),
    "partitions": lambda body: [entry["name"] for entry in body["partitions"]],
    "status_systems": first_system,
    "sshd_down_unhealthy_systems": first_system,
    "liveness": lambda body: {**body, "healthcheckRuns": list(body["healthcheckRuns"])[:1], "lastUpdate": 0},
    "nodes": lambda body: [node.keys() for node in body["nodes"]],
    "view_size_empty_param": without_trace,
    "ls_utf8_locale": without_owner,
    "download_zero": lambda body: body or "",
    **dict.fromkeys(("mv_file", "mv_missing_source", "rm_job_dir", "transfer_upload_missing_dir"), outlined),
    **dict.fromkeys(("transfer_download", "transfer_upload", "transfer_upload_zero"), outlined),
}


@pytest.mark.parametrize("recording", single("v2"), ids=by_name)
def test_v2_answers_as_recorded(
    v2_server: SandboxProcess, v2_utf8_server: SandboxProcess, recording: dict[str, Any]
) -> None:
    name = recording["name"]
    if name in NEEDS_FOREIGN_FILES and not AS_ROOT:
        pytest.skip("needs files of another user, so root")
    sandbox = v2_utf8_server if name in {"ls_utf8_locale", "checksum_slow"} else v2_server
    build_v2(sandbox.home)
    if name in BEFORE:
        BEFORE[name](sandbox.home / "x")
    sandbox.faults(**FAULTS.get(name, {}))
    answer = send(sandbox, name, recording["request"])
    check(recording, answer, VIEWS.get(name, masked))


def headers(sandbox: SandboxProcess, name: str) -> dict[str, str]:
    if name == "unknown_user_ls":
        return {"Authorization": f"Bearer {sandbox.token('nobodyelse')}"}
    token = TOKENS.get(name, 300.0)
    if token is None:
        return {}
    text = token if isinstance(token, str) else sandbox.token(seconds=token)
    return {"Authorization": f"Bearer {text}"}


def send(sandbox: SandboxProcess, name: str, request: dict[str, Any]) -> httpx.Response:
    ask = partial(
        httpx.request, request["method"], params=request.get("query"), headers=headers(sandbox, name), timeout=60
    )
    url = sandbox.info.url_v2 + request["path"]
    body = request.get("body")
    if body and "multipart" in body:
        part = body["multipart"]["file"]
        return ask(url, files={"file": (part["filename"], b"z" * part["length"])})
    return ask(url, json=body)
