"""The OpenAPI documents of the real servers judge what is asked of the sandbox, and what it answers.

They are not part of the project, so they count where they are found: in ../shared/api beside the repository, or in
$F7TFS_API_DOCUMENTS.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from f7tfs.sandbox.process import SandboxProcess
from tests.sandbox.invented import Inventor
from tests.sandbox.openapi import Judge

PLACE = Path(os.environ.get("F7TFS_API_DOCUMENTS", Path(__file__).parents[3] / "shared/api"))
PATIENCE = 120.0
SYSTEM = "cluster"
FINAL = {"111", "114", "117", "118", "200", "302", "400"}


class Driven:
    """Calls of one version, each of which is judged."""

    def __init__(self, sandbox: SandboxProcess, base: str, judge: Judge) -> None:
        self.sandbox = sandbox
        self.base = base
        self.judge = judge
        self.seen: set[tuple[str, str]] = set()
        self.complaints: set[str] = set()

    def __call__(self, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.sandbox.token()}", "X-Machine-Name": SYSTEM}
        headers |= rest.pop("headers", {})
        answer = httpx.request(method, self.base + path, headers=headers, timeout=PATIENCE, **rest)
        operation = self.judge.operation(method, path.partition("?")[0])
        if operation is not None:
            self.seen.add(operation)
        self.complaints |= set(self.judge.complaints(self.base, answer))
        return answer


def document(name: str) -> dict[str, Any] | None:
    path = PLACE / name
    if not path.exists():
        return None
    text = path.read_text()
    found: dict[str, Any] = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    return found


# -- v2 ------------------------------------------------------------------------------------------


def drive_v2(call: Driven) -> None:
    home = call.sandbox.info.home
    for name in ("systems", "liveness/", f"{SYSTEM}/nodes", f"{SYSTEM}/partitions", f"{SYSTEM}/userinfo"):
        call("GET", f"/status/{name}")
    call("GET", f"/status/{SYSTEM}/reservations")
    ops = f"/filesystem/{SYSTEM}/ops"
    call("POST", f"{ops}/mkdir", json={"path": f"{home}/d", "parent": True})
    call("POST", f"{ops}/upload", params={"path": f"{home}/d"}, files={"file": ("f", b"one\ntwo\n")})
    for name in ("ls", "head", "view", "tail", "checksum", "file", "stat", "download"):
        call("GET", f"{ops}/{name}", params={"path": f"{home}/d/f"})
        call("GET", f"{ops}/{name}", params={"path": f"{home}/none"})
    call("GET", f"{ops}/ls", params={"path": f"{home}/d", "showHidden": True, "recursive": True, "numericUid": True})
    call("PUT", f"{ops}/chmod", json={"path": f"{home}/d/f", "mode": "640"})
    call("PUT", f"{ops}/chmod", json={"path": f"{home}/d/f", "mode": "nonsense"})
    call("PUT", f"{ops}/chown", json={"path": f"{home}/d/f", "owner": "user", "group": "users"})
    call("POST", f"{ops}/symlink", json={"path": f"{home}/d/f", "linkPath": f"{home}/l"})
    call("POST", f"{ops}/compress", json={"path": f"{home}/d", "targetPath": f"{home}/d.tgz"})
    call("POST", f"{ops}/extract", json={"path": f"{home}/d.tgz", "targetPath": f"{home}/d"})
    call("DELETE", f"{ops}/rm", params={"path": f"{home}/l"})
    call("DELETE", f"{ops}/rm", params={"path": f"{home}/l"})
    drive_v2_transfers(call, f"{home}/d/f", f"{home}/t")
    drive_v2_jobs(call, home)


def drive_v2_transfers(call: Driven, path: str, target: str) -> None:
    transfer = f"/filesystem/{SYSTEM}/transfer"
    for name in ("cp", "mv", "compress", "extract"):
        call("POST", f"{transfer}/{name}", json={"path": path, "targetPath": f"{target}-{name}"})
    call("DELETE", f"{transfer}/rm", params={"path": f"{target}-cp"})
    call("POST", f"{transfer}/download", json={"path": path, "transferDirectives": {"transferMethod": "s3"}})
    upload = {"path": target, "transferDirectives": {"transferMethod": "s3", "fileSize": 3}}
    job = call("POST", f"{transfer}/upload", json=upload).json()["transferJob"]["jobId"]
    call("DELETE", f"/compute/{SYSTEM}/jobs/{job}")


def drive_v2_jobs(call: Driven, home: str) -> None:
    jobs = f"/compute/{SYSTEM}/jobs"
    job = {"workingDirectory": home, "script": "#!/bin/bash\nsleep 1000\n"}
    job_id = call("POST", jobs, json={"job": job}).json()["jobId"]
    call("POST", jobs, json={"job": {**job, "partition": "none"}})
    call("POST", jobs, json={})
    until(lambda: call("GET", f"{jobs}/{job_id}").json()["jobs"][0]["status"]["state"] == "RUNNING")
    call("GET", jobs)
    call("GET", f"{jobs}/{job_id}/metadata")
    call("PUT", f"{jobs}/{job_id}/attach", json={"command": "true"})
    call("DELETE", f"{jobs}/{job_id}")
    until(lambda: "CANCELLED" in call("GET", f"{jobs}/{job_id}").json()["jobs"][0]["status"]["state"])
    call("GET", f"{jobs}/999999")


def until(wanted: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < give_up, "this did not come about"
        time.sleep(0.02)


# -- v1 ------------------------------------------------------------------------------------------


def finished(call: Driven, answer: httpx.Response) -> dict[str, Any]:
    """A task, once it goes no further by itself."""
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update(call("GET", f"/tasks/{answer.json()['task_id']}").json()["task"])
        return found["status"] in FINAL

    until(look)
    return found


def drive_v1(call: Driven) -> None:
    home = call.sandbox.info.home
    for name in ("services", "services/utilities", "systems", "filesystems", "parameters"):
        call("GET", f"/status/{name}")
    for name in ("systems", "filesystems"):
        call("GET", f"/status/{name}/{SYSTEM}")
        call("GET", f"/status/{name}/none")
    call("POST", "/utilities/mkdir", data={"targetPath": f"{home}/d"})
    call("POST", "/utilities/mkdir", data={"targetPath": f"{home}/d"})
    call("POST", "/utilities/upload", data={"targetPath": f"{home}/d"}, files={"file": ("f", b"one\ntwo\n")})
    for name in ("ls", "file", "head", "stat", "tail", "checksum", "view"):
        call("GET", f"/utilities/{name}", params={"targetPath": f"{home}/d/f"})
        call("GET", f"/utilities/{name}", params={"targetPath": f"{home}/none"})
    call("GET", "/utilities/download", params={"sourcePath": f"{home}/d/f"})
    call("GET", "/utilities/whoami")
    call("PUT", "/utilities/chmod", data={"targetPath": f"{home}/d/f", "mode": "640"})
    call("PUT", "/utilities/chown", data={"targetPath": f"{home}/d/f", "owner": "user", "group": "users"})
    call("POST", "/utilities/copy", data={"sourcePath": f"{home}/d/f", "targetPath": f"{home}/d/g"})
    call("PUT", "/utilities/rename", data={"sourcePath": f"{home}/d/g", "targetPath": f"{home}/d/h"})
    call("POST", "/utilities/symlink", data={"targetPath": f"{home}/d/f", "linkPath": f"{home}/l"})
    call("POST", "/utilities/compress", data={"sourcePath": f"{home}/d", "targetPath": f"{home}/d.tgz"})
    call("POST", "/utilities/extract", data={"sourcePath": f"{home}/d.tgz", "targetPath": f"{home}/d"})
    call("DELETE", "/utilities/rm", data={"targetPath": f"{home}/l"})
    drive_v1_transfers(call, home)
    drive_v1_jobs(call, home)
    drive_v1_reservations(call)


def drive_v1_transfers(call: Driven, home: str) -> None:
    external = "/storage/xfer-external"
    sent = finished(call, call("POST", f"{external}/download", data={"sourcePath": f"{home}/d/f"}))
    call("POST", f"{external}/invalidate", headers={"X-Task-Id": sent["task_id"]})
    finished(call, call("POST", f"{external}/upload", data={"sourcePath": "local", "targetPath": f"{home}/d"}))
    call("POST", f"{external}/download", data={"sourcePath": f"{home}/none"})
    for name in ("cp", "rsync", "mv", "compress", "extract", "rm"):
        form = {
            "sourcePath": f"{home}/d.tgz" if name == "extract" else f"{home}/d/f",
            "targetPath": f"{home}/i-{name}",
        }
        finished(call, call("POST", f"/storage/xfer-internal/{name}", data=form))
    call("GET", "/tasks")
    call("GET", "/tasks/none")


def drive_v1_jobs(call: Driven, home: str) -> None:
    script = b"#!/bin/bash\nsleep 1000\n"
    (call.sandbox.home / "job.sh").write_bytes(script)
    job = finished(call, call("POST", "/compute/jobs/upload", files={"file": ("job.sh", script)}))["data"]["jobid"]
    finished(call, call("POST", "/compute/jobs/path", data={"targetPath": f"{home}/job.sh"}))
    for path in ("jobs", "acct", "nodes", "nodes/localhost", "partitions", "reservations"):
        finished(call, call("GET", f"/compute/{path}"))
    call("GET", f"/compute/jobs/{job}")
    finished(call, call("DELETE", f"/compute/jobs/{job}"))


def drive_v1_reservations(call: Driven) -> None:
    form = {
        "numberOfNodes": "1",
        "nodeType": "knl",
        "starttime": "2030-01-01T00:00:00",
        "endtime": "2030-01-01T01:00:00",
    }
    call("POST", "/reservations", data={"reservation": "mine", "account": "users", **form})
    call("GET", "/reservations")
    call("PUT", "/reservations/mine", data=form)
    call("DELETE", "/reservations/mine")
    call("DELETE", "/reservations/mine")


# -- what the documents say, and real servers do not keep to --------------------------------------

KNOWN: dict[str, dict[str, str]] = {
    "v1": {
        r"400 is application/json, not \['text/plain'\]": "all recorded failures are JSON",
        r"not \['object'\]": "a slip of the document: that is no media type; the recordings are JSON",
        "DELETE /compute/jobs/{jobid}: 200 is not": "the facts have 200; the document's 201 was not seen",
        "GET /tasks/{taskid}: 404 is not": "the recording `task of unknown id` is a 404",
        "POST /storage/xfer-external/invalidate: 500": "the recording `invalidate of an upload never sent` is a 500",
        "GET /tasks: 200 at /: .* is not of type 'array'": "the recorded lists are objects by id",
        "GET /status/filesystems/{machinename}: 404": "the document has no failure there; /status/systems answers so",
    },
    "v2": {
        "ops/download: 200 is application/octet-stream": "the recording download_small has that type",
    },
}
"""Patterns of complaints, and where the recordings show that the document is wrong."""
VERSIONS: dict[str, tuple[str, Callable[[Driven], None]]] = {
    "v1": ("v1-openapi.yaml", drive_v1),
    "v2": ("v2-openapi.json", drive_v2),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"ingest_poll_seconds": 0.1, "job_start_seconds": 0.0, "stall_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("openapi"), **settings) as sandbox:
        yield sandbox


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_all_operations_are_asked_and_answered_as_the_document_says(server: SandboxProcess, version: str) -> None:
    name, drive = VERSIONS[version]
    found = document(name)
    if found is None:  # then there is nothing to compare with, and the tests below are all that is left
        assert not (PLACE / name).exists()
        return
    info = server.info
    call = Driven(server, info.url_v1 if version == "v1" else info.url_v2, Judge(found))
    drive(call)
    assert call.judge.operations - call.seen == set()
    known = re.compile("|".join(KNOWN[version]) or "(?!)")
    assert sorted(complaint for complaint in call.complaints if not known.search(complaint)) == []


INVENTED = 300
SEED = 20


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_nobody_thought_of_is_answered_as_the_document_says(server: SandboxProcess, version: str) -> None:
    found = document(VERSIONS[version][0])
    if found is None:
        assert not (PLACE / VERSIONS[version][0]).exists()
        return
    info = server.info
    call = Driven(server, info.url_v1 if version == "v1" else info.url_v2, Judge(found))
    (server.home / version / "d").mkdir(parents=True)
    # No header can hold other than ASCII, and v1 tells paths in headers: the quirks have tests of their own.
    inventor = Inventor(call.judge, f"{info.home}/{version}", SEED, plain=version == "v1")
    statuses = Counter[int]()
    for _ in range(INVENTED):
        request = inventor.request()
        answer = call(request.method, request.path, **request.rest)
        statuses[answer.status_code // 100] += 1
    known = re.compile("|".join(KNOWN[version]) or "(?!)")
    assert sorted(complaint for complaint in call.complaints if not known.search(complaint)) == []
    assert len(call.seen) > 0.9 * len(call.judge.operations)
    # They are neither all refused nor all welcome, and none of them is the server's undoing.
    assert min(statuses[2], statuses[4]) > INVENTED // 10
    assert call("GET", "/status/systems").status_code == 200


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_is_known_of_a_document_says_why(version: str) -> None:
    assert all(len(why) > 20 for why in KNOWN[version].values())


# -- the judge -----------------------------------------------------------------------------------

TINY: dict[str, Any] = {
    "openapi": "3.0.0",
    "paths": {
        "/things/{name}": {
            "parameters": [{"in": "header", "name": "X-Who", "required": True, "schema": {"type": "string"}}],
            "get": {
                "parameters": [{"$ref": "#/components/parameters/how"}],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                    "4XX": {"content": {"application/json": {"schema": {"required": ["error"]}}}},
                },
            },
        },
        "/things/all": {"get": {"responses": {"204": {}}}},
    },
    "components": {
        "parameters": {"how": {"in": "query", "name": "how", "required": True, "schema": {"type": "string"}}},
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["size"],
                "properties": {"size": {"type": "integer"}, "note": {"type": "string", "nullable": True}},
            }
        },
    },
}


def judged(url: str, status: int = 200, body: Any = None, **more: Any) -> list[str]:
    headers = {"X-Who": "me"} if more.get("who", True) else {}
    request = httpx.Request(more.get("method", "GET"), f"http://host/base{url}", headers=headers)
    content = None if body is None else json.dumps(body).encode()
    kind = {"content-type": more.get("kind", "application/json; charset=utf-8")}
    answer = httpx.Response(status, headers=kind, content=content, request=request)
    return sorted(Judge(TINY).complaints("http://host/base", answer))


def test_the_judge_has_nothing_against_what_is_right() -> None:
    assert judged("/things/a?how=x", body={"size": 1, "note": None}) == []
    assert judged("/things/a?how=x", 404, {"error": "none"}) == []
    assert judged("/things/all", 204) == []


@pytest.mark.parametrize(
    ("url", "status", "body", "more", "complaint"),
    [
        ("/things/a?how=x", 200, {"size": "1"}, {}, "at /size: '1' is not of type 'integer'"),
        ("/things/a?how=x", 200, {}, {}, "'size' is a required property"),
        ("/things/a?how=x", 200, {"size": 1, "note": 2}, {}, "at /note"),
        ("/things/a?how=x", 201, {"size": 1}, {}, "201 is not in the document"),
        ("/things/a?how=x", 400, {"message": ""}, {}, "'error' is a required property"),
        ("/things/a?how=x", 200, {"size": 1}, {"kind": "text/html"}, "200 is text/html"),
        ("/things/a?how=x", 200, {"size": 1}, {"who": False}, "without the header parameter X-Who"),
        ("/things/a", 200, {"size": 1}, {}, "without the query parameter how"),
        ("/things/a?how=x&why=y", 200, {"size": 1}, {}, "with the query parameter why"),
        ("/nothing", 200, None, {}, "GET /nothing: not in the document"),
        ("/things/a", 200, None, {"method": "PUT"}, "PUT /things/a: not in the document"),
    ],
)
def test_the_judge_sees_what_is_wrong(url: str, status: int, body: Any, more: dict[str, Any], complaint: str) -> None:
    assert [said for said in judged(url, status, body, **more) if complaint in said]
