"""Calls recorded from a real v1 are repeated one by one: status, headers and bodies must be the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.sandbox import test_replay_v1_flows as flows
from tests.sandbox.recordings import V1, check, masked, recorded_body, single
from tests.sandbox.trees import AS_ROOT, build_v1, cleared, write

NEEDS_ROOT = {"ls only device nodes", "upload to dir without permission"}
EXPIRED = {"expired token", "poll with the expired token"}
BEHIND_A_GATEWAY = {
    "rename unicode same file [C.UTF-8 locale, TZ=Europe/Zurich]",
    "xfer download missing unicode",
}


def by_name(recording: dict[str, Any]) -> str:
    name: str = recording["name"]
    return name


@pytest.fixture(scope="module")
def v1_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("v1"), **flows.SETTINGS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def v1_utf8_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Also one behind a gateway, which shows in what it makes of unusable answers."""
    settings = {**flows.SETTINGS, "time_zone": "Europe/Zurich", "utf8_locale": True, "gateway": True}
    with SandboxProcess(tmp_path_factory.mktemp("v1utf8"), **settings) as sandbox:
        yield sandbox


# -- what a recording found ----------------------------------------------------------------------


def crowd(home: Path) -> None:
    """A listing of more than 5 MiB."""
    (home / "x1/b60000").mkdir()
    for number in range(24_000):
        os.close(os.open(home / "x1/b60000" / f"{number:0>200}", os.O_CREAT | os.O_WRONLY))


def unescaped(name: str) -> str:
    """A name as it is on the disk, from how `ls` in the C locale shows it."""
    if not re.search(r"\\[0-7]{3}|\\[nt]", name):
        return name
    raw = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), name).replace("\\n", "\n").replace("\\t", "\t")
    return os.fsdecode(raw.encode("latin-1"))


def entries(body: Any) -> list[dict[str, str]]:
    """Of a listing that may have been cut short when it was recorded."""
    text = body if isinstance(body, str) else json.dumps(body, sort_keys=True, separators=(",", ":"))
    return [json.loads(found) for found in re.findall(r'\{"group":.*?"user":"[^"]*"\}', text)]


def listed(home: Path) -> None:
    """The directory that was listed, as far as the listing itself tells."""
    x = cleared(home / "x1")
    for entry in entries(recorded_body(V1["ls dir"])):
        path = x / unescaped(entry["name"])
        mode = sum(bit << (8 - place) for place, bit in enumerate(char != "-" for char in entry["permissions"]))
        if entry["type"] == "l":
            path.symlink_to(unescaped(entry["link_target"]))
        elif entry["type"] == "d":
            path.mkdir()
            path.chmod(mode)
        elif entry["type"] == "p":
            os.mkfifo(path)
            path.chmod(mode)
        else:
            write(path, b"x" * int(entry["size"]), mode)


def full(home: Path) -> None:
    (home.parents[1] / "scratch/tiny").mkdir(exist_ok=True)


BEFORE: dict[str, Callable[[Path], object]] = {
    "mkdir existing": lambda home: (home / "x1/n1").mkdir(),
    "ls 60000 entries": crowd,
    "ls dir": listed,
    "download unicode nonempty": lambda home: write(home / "x1/uni-é日", b"hello world\nline2\nline3\n"),
    "upload 256 KiB to full filesystem": full,
}
FAULTS: dict[str, dict[str, Any]] = {
    "upload 256 KiB to full filesystem": {"quota": 0, "quota_error": "ENOSPC"},
}


# -- what is compared ----------------------------------------------------------------------------


def device_lines(body: Any) -> Any:
    return [re.sub(r"\S+T\S+", "TIME", re.sub(r" \w+ \w+ (?=\d+,)", " OWNER ", line)) for line in body["output"]]


def lines(body: Any) -> Any:
    """A page of HTML, whatever ends its lines."""
    return body.splitlines()


def as_sent(body: Any) -> Any:
    """What was uploaded or asked for differs; that is not in the answer."""
    return masked(body or "")


def by_system(body: Any) -> Any:
    """In no order that means anything."""
    return sorted(body["out"], key=lambda entry: str(entry["system"]))


VIEWS: dict[str, Callable[[Any], Any]] = {
    "ls unsorted": lambda body: sorted(body["output"]),
    "ls dir": lambda body: [masked({**entry, "user": "", "group": ""}) for entry in entries(body)],
    "ls only device nodes": device_lines,
    "status systems": by_system,
    "ls old": lambda body: body["output"][0]["last_modified"],
    "download targetPath instead": lines,
    **dict.fromkeys(BEHIND_A_GATEWAY, lines),
}


def view_of(name: str) -> Callable[[Any], Any]:
    return VIEWS["ls old"] if name.startswith("ls old") else VIEWS.get(name, as_sent)


@pytest.mark.parametrize("recording", single("v1"), ids=by_name)
def test_v1_answers_as_recorded(
    v1_server: SandboxProcess, v1_utf8_server: SandboxProcess, recording: dict[str, Any]
) -> None:
    name = recording["name"]
    if name in NEEDS_ROOT and not AS_ROOT:
        pytest.skip("needs files of another user, devices or mounts, so root")
    sandbox = v1_utf8_server if "C.UTF-8" in name or name in BEHIND_A_GATEWAY else v1_server
    build_v1(sandbox.home)
    if name == "ls only device nodes" and not (sandbox.home / "x1/special/nod").exists():
        pytest.skip("device nodes cannot be made here")
    if name in BEFORE:
        BEFORE[name](sandbox.home)
    sandbox.faults(**FAULTS.get(name, {}))
    check(recording, send(sandbox, name, recording["request"]), view_of(name))


def send(sandbox: SandboxProcess, name: str, request: dict[str, Any]) -> httpx.Response:
    headers = dict(request.get("headers") or {})
    if name != "no token":
        headers["Authorization"] = f"Bearer {sandbox.token(seconds=-10.0 if name in EXPIRED else 300.0)}"
    body = request.get("body") or {}
    files = None
    data = body.get("form")
    if "multipart" in body:
        data = body["multipart"]["fields"]
        part = body["multipart"]["files"]["file"]
        files = {"file": (part["filename"], b"z" * part["bytes"])}
    url = sandbox.info.url_v1 + request["path"]
    return httpx.request(
        request["method"], url, params=request.get("query"), headers=headers, data=data, files=files, timeout=60
    )
