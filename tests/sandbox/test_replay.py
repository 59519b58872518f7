"""Calls recorded from real servers are repeated here: status, headers and bodies must be the same.

What differs from one machine to another (times, inode numbers, sizes of directories) is masked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from f7tfs.sandbox.process import SandboxProcess

DATA = Path(__file__).parent / "data"
FOREIGN_UID = 54321
AS_ROOT = os.getuid() == 0
NEEDS_FOREIGN_FILES = {"perm_chmod", "ls only device nodes", "upload to dir without permission"}
MASKED = {"ino", "dev", "atime", "ctime", "mtime", "lastModified", "last_modified", "task_id", "task_url", "cpus"}


def recordings(version: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{version}.jsonl").read_text().splitlines()]


def by_name(recording: dict[str, Any]) -> str:
    name: str = recording["name"]
    return name


def masked(value: Any) -> Any:
    """A body without what depends on the machine and the moment."""
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    if isinstance(value, str):
        return re.sub(r"copied, [\d.]+ s", "copied, N s", value)
    if not isinstance(value, dict):
        return value
    kept = {k: masked(v) for k, v in value.items() if k not in MASKED}
    if kept.get("type") == "d":
        del kept["size"]
    return kept


def write(path: Path, content: bytes = b"x", mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def sized(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def foreign(directory: Path) -> None:
    """A directory of somebody else; where we cannot give it away, at least one that we cannot use."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    (directory / "f").write_bytes(b"secret")
    directory.chmod(0o700 if AS_ROOT else 0)
    if AS_ROOT:
        os.chown(directory, FOREIGN_UID, FOREIGN_UID)


def cleared(directory: Path) -> Path:
    """The directory, empty and new."""
    if directory.exists():
        for below in directory.rglob("*"):
            if below.is_dir() and not below.is_symlink():
                below.chmod(0o755)
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    return directory


# -- v2 ------------------------------------------------------------------------------------------

ODD_NAMES = [
    *(b"\x01ctl", b" lead", b"$(id)", b"$HOME", b"--help", b"-dash", b"<lt>", b"`id`", b"a\"b'c", b"amp&"),
    *(b"arrow -> x", b"back\\slash", b"colon:", b'dq"uote', "emoji😀".encode(), b"eq=", b"hash#"),
    *("héllo-é".encode(), b"latin1-\xe9", b"new\nline", b"pct%41", b"pipe|", b"plus+", b"q?", b"semi;colon"),
    *(b"sp ace", b"sq'uote", b"star*", b"tab\there", b"tilde~", b"trail ", "日本".encode()),
]


def build_v2(home: Path) -> None:
    """The tree that the recordings were made in, as each of them found it."""
    write(home / ".bashrc")
    x = cleared(home / "x")
    write(x / "dir/f", b"hello\n")
    write(x / "dir/.hidden", b"1234")
    write(x / "dir/sub/deep", b"12")
    write(x / "dir/sub/s2/d2", b"12")
    os.mkfifo(x / "dir/fifo", 0o644)
    for name, target in {"l": "f", "lq": "sp ace'q", "dang": "nowhere"}.items():
        (x / "dir" / name).symlink_to(target)
    for name in ("empty", "isdir", "names", "many"):
        (x / name).mkdir()
    for entry in ODD_NAMES:
        (Path(os.fsencode(x / "names").decode()) / os.fsdecode(entry)).write_bytes(b"x")
    for name, target in {"ln -> arrow": "a -> b", "ln sp": "tgt with sp", "lnq": "it's"}.items():
        (x / "names" / name).symlink_to(target)
    (x / "ldir").symlink_to("dir")
    (x / "sym").symlink_to("small")
    write(x / "small", b"0123456789\n")
    write(x / "z0", b"")
    write(x / "lines", b"".join(b"%09d\n" % number for number in range(1000)))
    write(x / "bin", b"abc\xff\xfe\x00def")
    write(x / "u8", "héllo wörld, héllo wörld\n".encode())
    write(x / "ow", b"old", 0o444)
    write(x / "c", b"12")
    write(x / "tree/a/b/c")
    write(x / "tgt/f")
    write(x / "tgt2/f")
    write(x / "part/locked/x")
    (x / "part/locked").chmod(0o555)
    (x / "ln2").symlink_to("tgt2")
    sized(x / "s3932157", 3932157)
    sized(x / "s3932158", 3932158)
    sized(x / "y6m", 6_000_000)
    foreign(home.parent / "firesrv")


BEFORE_V2 = {"mkdir_existing": "d1"}
MAKE_UNREADABLE = {"ls_recursive_with_unreadable"}
TOKENS = {"no_token": None, "garbage_token": "garbage", "expired_token": -10.0, "soon_expiring_token": 20.0}


@pytest.fixture(scope="module")
def v2_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {
        "user": "fireuser",
        "system": "cluster-slurm-ssh",
        "file_systems": [{"path": "/home", "default_work_dir": True}],
        "time_zone": "UTC",
        "require_account": True,
        "stall_seconds": 0.05,
        "more_users": {str(FOREIGN_UID): "firesrv"},
    }
    with SandboxProcess(tmp_path_factory.mktemp("v2"), **settings) as sandbox:
        yield sandbox


def v2_headers(sandbox: SandboxProcess, name: str) -> dict[str, str]:
    if name == "unknown_user_ls":
        return {"Authorization": f"Bearer {sandbox.token('nobodyelse')}"}
    token = TOKENS.get(name, 300.0)
    if token is None:
        return {}
    text = token if isinstance(token, str) else sandbox.token(seconds=token)
    return {"Authorization": f"Bearer {text}"}


def send_v2(sandbox: SandboxProcess, name: str, request: dict[str, Any]) -> httpx.Response:
    url = sandbox.info.url_v2 + request["path"]
    headers = v2_headers(sandbox, name)
    body = request.get("body")
    query = request.get("query")
    if body and "multipart" in body:
        part = body["multipart"]["file"]
        content = b"z" * part["length"]
        return httpx.post(url, params=query, headers=headers, files={"file": (part["filename"], content)})
    return httpx.request(request["method"], url, params=query, headers=headers, json=body)


@pytest.mark.parametrize("recording", recordings("v2"), ids=by_name)
def test_v2_answers_as_recorded(v2_server: SandboxProcess, recording: dict[str, Any]) -> None:
    name, expected = recording["name"], recording["response"]
    if name in NEEDS_FOREIGN_FILES and not AS_ROOT:
        pytest.skip("needs files of another user, so root")
    build_v2(v2_server.home)
    x = v2_server.home / "x"
    if name in BEFORE_V2:
        (x / BEFORE_V2[name]).mkdir()
    if name in MAKE_UNREADABLE:
        (x / "ro").mkdir(mode=0)
        (x / "part/locked").chmod(0o755)
    if name == "symlink_onto_dir":
        (x / "tgt/f").unlink()
    answer = send_v2(v2_server, name, recording["request"])
    assert answer.status_code == expected["status"], answer.text
    for header, value in expected["headers"].items():
        assert answer.headers[header] == value
    if expected["body"] is not None:
        assert masked(by_order(answer.json(), name)) == masked(by_order(expected["body"], name))


def by_order(body: Any, name: str) -> Any:
    """`ls -L` names the failing entries in the order of the directory, which differs between file systems."""
    if name == "ls_dereference":
        return sorted(body["message"].partition("error message:")[2].splitlines())
    if name == "checksum":
        return {**body, "output": body["output"].keys()}
    if name == "partitions":
        return [entry["name"] for entry in body["partitions"]]
    return body


# -- v1 ------------------------------------------------------------------------------------------


def build_v1(home: Path) -> None:
    """The tree that the recordings were made in, as each of them found it."""
    x = cleared(home / "x1")
    write(x / "a.txt", b"hello world\nline2\nline3\n")
    write(x / "k1", bytes(range(256)) * 4, 0o755)
    write(x / "bin", b"ab\xff\xfe")
    write(x / "lines", b"".join(b"%d\n" % number for number in range(1, 101)))
    write(x / "zero", b"")
    write(x / "zsec", b"", 0)
    write(x / "sub/s.txt", b"s\n")
    write(x / "sub/deep/d.txt", b"d\n")
    (x / "empty").mkdir()
    (x / "noread").mkdir(mode=0)
    (x / "lnkdir").symlink_to("sub")
    (x / "lnk").symlink_to("a.txt")
    os.mkfifo(x / "ff")
    write(x / "ünïcödé-日本", b"")
    write(x / "old", b"")
    os.utime(x / "old", ns=(981173106_789000000, 981173106_789000000))
    write(x / "two/a b")
    for size, name in ((3932159, "d3932159"), (5242880, "m5"), (5242881, "m5p"), (1000, "big60")):
        sized(x / name, size)
    foreign(x / "rootdir")
    build_v1_renames(x / "r")
    build_v1_unicode(x / "u")
    if AS_ROOT:
        (x / "special").mkdir()
        with contextlib.suppress(PermissionError):
            os.mknod(x / "special/nod", 0o20644, os.makedev(1, 3))


def build_v1_renames(r: Path) -> None:
    for name in ("f1", "f2", "f", "g1", "hn"):
        write(r / name)
    write(r / "c", mode=0o640)
    for name in ("d1", "cd"):
        (r / name).mkdir()
    write(r / "cd2/x")


def build_v1_unicode(u: Path) -> None:
    u.mkdir()
    for name in (b"bs\\303", b"inv\xff", b"nl\nx", b'q"q', b"tab\tx", "é日".encode(), '日"x'.encode()):
        (u / os.fsdecode(name)).write_bytes(b"")
    (u / "日dir").mkdir()
    (u / "ln").symlink_to("é日")


@pytest.fixture(scope="module")
def v1_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"user": "fireuser", "time_zone": "UTC", "stall_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("v1"), **settings) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def v1_utf8_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"user": "fireuser", "time_zone": "Europe/Zurich", "utf8_locale": True}
    with SandboxProcess(tmp_path_factory.mktemp("v1utf8"), **settings) as sandbox:
        yield sandbox


def send_v1(sandbox: SandboxProcess, name: str, request: dict[str, Any]) -> httpx.Response:
    headers = dict(request.get("headers", {}))
    if name != "no token":
        seconds = -10.0 if name == "expired token" else 300.0
        headers["Authorization"] = f"Bearer {sandbox.token(seconds=seconds)}"
    url = sandbox.info.url_v1 + request["path"]
    body = request.get("body", {})
    files = None
    data = body.get("form")
    if "multipart" in body:
        data = body["multipart"]["fields"]
        part = body["multipart"]["files"]["file"]
        files = {"file": (part["filename"], b"z" * part["bytes"])}
    return httpx.request(request["method"], url, params=request.get("query"), headers=headers, data=data, files=files)


@pytest.mark.parametrize("recording", recordings("v1"), ids=by_name)
def test_v1_answers_as_recorded(
    v1_server: SandboxProcess, v1_utf8_server: SandboxProcess, recording: dict[str, Any]
) -> None:
    name, expected = recording["name"], recording["response"]
    if name in NEEDS_FOREIGN_FILES and not AS_ROOT:
        pytest.skip("needs files of another user or devices, so root")
    sandbox = v1_utf8_server if "C.UTF-8" in name else v1_server
    build_v1(sandbox.home)
    if name == "ls only device nodes" and not (sandbox.home / "x1/special/nod").exists():
        pytest.skip("device nodes cannot be made here")
    if name == "mkdir existing":
        (sandbox.home / "x1/n1").mkdir()
    answer = send_v1(sandbox, name, recording["request"])
    assert answer.status_code == expected["status"], answer.text
    for header, value in expected["headers"].items():
        assert answer.headers[header] == value
    unexpected = {h for h in answer.headers if h.startswith("x-")} - {h.lower() for h in expected["headers"]}
    assert not unexpected
    if expected["body"] is not None:
        assert v1_body(answer, name) == v1_body_of(expected["body"], name)


def v1_body(answer: httpx.Response, name: str) -> Any:
    return v1_body_of(answer.json(), name)


def v1_body_of(body: Any, name: str) -> Any:
    if name == "ls unsorted":
        return sorted(body["output"])
    if name == "ls only device nodes":
        return [re.sub(r"\S+T\S+", "TIME", re.sub(r" \w+ \w+ (?=\d+,)", " OWNER ", line)) for line in body["output"]]
    if name.startswith("ls old"):
        return body["output"][0]["last_modified"]
    return masked(body)
