"""Faults on demand, and the pages that list them."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from f7tfs.sandbox.faults import Faults, RateWindow, Rule
from f7tfs.sandbox.options import faults_of, settings_of
from f7tfs.sandbox.process import SandboxProcess
from f7tfs.sandbox.settings import SandboxSettings

REFERENCE = Path(__file__).parents[2] / "docs/reference"
OPS = "/filesystem/cluster/ops"


def ask(sandbox: SandboxProcess, method: str, path: str, **rest: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {sandbox.token()}"}
    return httpx.request(method, sandbox.info.url_v2 + path, headers=headers, timeout=60, **rest)


def stat(sandbox: SandboxProcess) -> httpx.Response:
    return ask(sandbox, "GET", f"{OPS}/stat", params={"path": sandbox.info.home})


def submit(sandbox: SandboxProcess) -> httpx.Response:
    job = {"workingDirectory": sandbox.info.home, "script": "#!/bin/bash\ntrue\n"}
    return ask(sandbox, "POST", "/compute/cluster/jobs", json={"job": job})


# -- what they do --------------------------------------------------------------------------------


def test_a_rate_limit_counts_down_and_then_refuses(sandbox: SandboxProcess) -> None:
    sandbox.faults(rate_limit=2, rate_seconds=3600)
    answers = [stat(sandbox) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"2"}
    assert 0 < int(answers[2].headers["retry-after"]) <= 3600
    assert "retry-after" not in answers[1].headers


def test_a_new_window_lets_calls_pass_again() -> None:
    window = RateWindow()
    assert window.take(1, 10.0, 100.0) == (0, 10.0)
    assert window.take(1, 10.0, 104.0) == (-1, 6.0)
    assert window.take(1, 10.0, 110.0) == (0, 10.0)


def test_jitter_delays_but_does_not_fail(sandbox: SandboxProcess) -> None:
    sandbox.faults(jitter=0.01)
    assert stat(sandbox).status_code == 200


def test_a_truncated_answer_breaks_off(sandbox: SandboxProcess) -> None:
    (sandbox.home / "cut").write_bytes(b"x" * 1000)
    sandbox.faults({"match": "download", "truncate": 100})
    path = {"path": f"{sandbox.info.home}/cut"}
    with pytest.raises(httpx.RemoteProtocolError, match="received 100 bytes, expected 1000"):
        ask(sandbox, "GET", f"{OPS}/download", params=path)
    assert len(ask(sandbox, "GET", f"{OPS}/download", params=path).content) == 1000


def test_a_token_can_expire_before_its_time(sandbox: SandboxProcess) -> None:
    sandbox.faults(expired_tokens=1)
    refused = stat(sandbox)
    assert (refused.status_code, refused.json()["message"]) == (401, "Access token expired")
    assert stat(sandbox).status_code == 200


def test_the_scheduler_can_refuse(sandbox: SandboxProcess) -> None:
    sandbox.faults(refuse_jobs=2)
    refused = submit(sandbox)
    assert refused.status_code == 500
    assert (
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy" in refused.json()["message"]
    )
    body = {"path": f"{sandbox.info.home}/a", "targetPath": f"{sandbox.info.home}/b"}
    assert ask(sandbox, "POST", "/filesystem/cluster/transfer/mv", json=body).status_code == 500
    assert submit(sandbox).status_code == 201


def test_a_job_can_be_out_of_sight_and_then_half_known(sandbox: SandboxProcess) -> None:
    job = submit(sandbox).json()["jobId"]
    sandbox.faults(jobs_unseen=1, jobs_lagging=1)
    answers = [ask(sandbox, "GET", f"/compute/cluster/jobs/{job}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 200, 200]
    assert [answer.json()["jobs"][0]["name"] for answer in answers[1:]] == ["allocation", "sbatch"]


def test_a_transfer_through_a_slow_store_takes_longer_and_a_cut_one_breaks_off(sandbox: SandboxProcess) -> None:
    (sandbox.home / "staged").write_bytes(b"x" * 1000)
    sandbox.faults(staging_delay=0.05)
    body = {"path": f"{sandbox.info.home}/staged", "transferDirectives": {"transferMethod": "s3"}}
    made = ask(sandbox, "POST", "/filesystem/cluster/transfer/download", json=body).json()
    url = made["transferDirectives"]["downloadUrl"]
    give_up = time.monotonic() + 60
    while httpx.get(url, timeout=60).status_code == 404:
        assert time.monotonic() < give_up
    # Of this object alone: the store is shared, and whoever looks at another one would use the rule up.
    sandbox.faults(s3_rules=[{"match": f"^GET {re.escape(urlsplit(url).path)}", "truncate": 10}])
    with pytest.raises(httpx.RemoteProtocolError, match="received 10 bytes, expected 1000"):
        httpx.get(url, timeout=60)
    assert httpx.get(url, timeout=60).content == b"x" * 1000


def test_a_store_that_refuses_the_look_for_an_upload_ends_neither_the_task_nor_the_sandbox(
    start_sandbox: Callable[..., SandboxProcess],
) -> None:
    sandbox = start_sandbox(ingest_poll_seconds=0.02)
    headers = {"Authorization": f"Bearer {sandbox.token()}", "X-Machine-Name": "cluster"}

    def v1(method: str, path: str, **rest: Any) -> dict[str, Any]:
        answer = httpx.request(method, sandbox.info.url_v1 + path, headers=headers, timeout=60, **rest)
        answered: dict[str, Any] = answer.json()
        return answered

    form = {"sourcePath": "/local/sent", "targetPath": sandbox.info.home}
    task_id = v1("POST", "/storage/xfer-external/upload", data=form)["task_id"]

    def until_it_is(status: str) -> dict[str, Any]:
        give_up = time.monotonic() + 60
        while (task := v1("GET", f"/tasks/{task_id}")["task"])["status"] != status:
            assert time.monotonic() < give_up, task
        found: dict[str, Any] = task
        return found

    asked = until_it_is("111")["data"]["msg"]["parameters"]
    sandbox.faults(s3_rules=[{"match": "^GET", "status": 404, "count": None}])
    time.sleep(0.5)
    until_it_is("111")
    sandbox.clear_faults()
    sent = httpx.post(asked["url"], data=asked["data"], files={"file": b"content"}, timeout=60)
    assert sent.is_success
    until_it_is("114")
    assert (sandbox.home / "sent").read_bytes() == b"content"


def test_further_systems_can_be_down(start_sandbox: Callable[..., SandboxProcess]) -> None:
    sandbox = start_sandbox(down_systems=["Other"])
    (up, down) = ask(sandbox, "GET", "/status/systems").json()["systems"]
    assert [up["name"], down["name"]] == ["cluster", "Other"]
    assert not any(service["healthy"] for service in down["servicesHealth"][:3])
    answer = ask(sandbox, "GET", "/filesystem/other/ops/stat", params={"path": "/home"})
    assert (answer.status_code, "(Other) is unhealthy" in answer.text) == (503, True)


# -- words of a command line ---------------------------------------------------------------------


def test_words_become_faults_of_their_types() -> None:
    rule = {"match": "ls", "status": 503}
    words = ["latency=0.5", "quota=7", "unhealthy", "expired_tokens", "hold_tasks=111", f"rule={json.dumps(rule)}"]
    expected = {"latency": 0.5, "quota": 7, "unhealthy": True, "expired_tokens": 1, "hold_tasks": "111"}
    assert faults_of([*words, "rule={}"]) == {**expected, "rules": [rule, {}]}


@pytest.mark.parametrize(
    "word", ["nonsense", "latency", "quota", "latency=much", "rule=x", 'rule={"x": 1}', "rules=[]", "unhealthy=maybe"]
)
def test_other_words_are_no_faults(word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        faults_of([word])


def test_words_become_settings_of_their_types(tmp_path: Path) -> None:
    words = ["time_zone=UTC", "uid=7", "gateway=true", 'partitions=["a"]', 'file_systems=[{"path": "/data"}]']
    settings = settings_of(tmp_path, [*words, 'more_groups={"5": "five"}'], port=3)
    assert (settings.time_zone, settings.uid, settings.gateway, settings.partitions) == ("UTC", 7, True, ("a",))
    assert (settings.file_systems[0].path, settings.more_groups, settings.port) == ("/data", {5: "five"}, 3)


@pytest.mark.parametrize("word", ["nonsense=1", "root=/", "uid", "uid=x", "time_zone=Mars", "scheduler=cron"])
def test_other_words_are_no_settings(tmp_path: Path, word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        settings_of(tmp_path, [word])


# -- the pages -----------------------------------------------------------------------------------


def rows(page: str) -> list[tuple[str, str]]:
    """Name and default of each row of a page's tables."""
    return re.findall(r"^\| `(\w+)` \| (.*?) \|", (REFERENCE / page).read_text(), re.MULTILINE)


def fields(kind: Any) -> list[tuple[str, str]]:
    """The same of a dataclass."""
    found = []
    for field in dataclasses.fields(kind):
        if field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            found.append((field.name, "none"))
            continue
        found.append((field.name, f"`{json.dumps(value, default=dataclasses.asdict)}`"))
    return found


def test_the_page_of_faults_is_complete_and_true() -> None:
    assert rows("sandbox-faults.md") == [*fields(Faults), *fields(Rule)]


def test_the_page_of_settings_is_complete_and_true() -> None:
    assert rows("sandbox-settings.md") == fields(SandboxSettings)


def test_every_fault_that_the_page_recommends_is_one() -> None:
    text = (REFERENCE / "sandbox-faults.md").read_text().partition("## What to switch on")[2]
    words = [word for word in re.findall(r"`([^`]+)`", text) if not word.startswith("time_zone=")]
    assert len(words) > 15
    assert faults_of(words)
