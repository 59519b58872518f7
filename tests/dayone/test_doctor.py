"""`f7tfs doctor`: all is well on a healthy machine, and each fault is named with its cure."""

from __future__ import annotations

import base64
import json
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import PATIENCE, User, log_in
from tests.dayone.terminal import converse
from tests.namespaces import FUSE_FOR_ALL, alone, as_user

ALL_CHECKS = {
    *("fuse", "fusermount3", "disk", "name", "connection", "token", "clock", "site", "service", "user", "root"),
    *("rights", "direct", "archive", "staged"),
}


def variables(sandbox: SandboxProcess, api: str = "v2") -> dict[str, str]:
    info = sandbox.info
    return {
        "FIRECREST_URL": info.url_v2 if api == "v2" else info.url_v1,
        "AUTH_TOKEN_URL": info.token_url,
        "FIRECREST_CLIENT_ID": info.client_id,
        "FIRECREST_CLIENT_SECRET": info.client_secret,
        "FIRECREST_SYSTEM": info.system,
    }


def examine(user: User, *arguments: str, **environment: str) -> dict[str, dict[str, Any]]:
    """What the doctor found, by check; of several findings of one check the worst."""
    done = user("doctor", *arguments, "--json", **environment)
    order = ["not examined", "ok", "warning", "failed"]
    found: dict[str, dict[str, Any]] = {}
    for finding in json.loads(done.stdout):
        before = found.get(finding["check"])
        if before is None or order.index(finding["state"]) > order.index(before["state"]):
            found[finding["check"]] = finding
    assert done.returncode == any(finding["state"] == "failed" for finding in found.values()), done.stderr
    assert all(finding["cure"] for finding in found.values() if finding["state"] in order[2:])
    return found


@pytest.mark.parametrize("api", ["v2", "v1"])
def test_a_healthy_machine_and_site_pass_every_check(user: User, sandbox: SandboxProcess, api: str) -> None:
    found = examine(user, **variables(sandbox, api))
    assert set(found) == ALL_CHECKS
    # A small disk under the tests is a warning, and no failure.
    assert {finding["state"] for check, finding in found.items() if check != "disk"} == {"ok"}
    assert all(found[route]["seconds"] > 0 for route in ("direct", "archive", "staged"))
    assert list(sandbox.home.glob(".f7tfs-doctor*")) == []


def test_the_report_is_read_by_people_in_a_pipe_and_on_a_terminal(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    piped = user.done("doctor", "--quick")
    assert [line.split("\t")[0] for line in piped.splitlines()[:2]] == ["fuse", "fusermount3"]
    code, shown = converse(["doctor", "here", "--quick"], user.env(), user.home)
    assert code == 0
    assert "check" in shown
    assert "\x1b[32mok" in shown


@pytest.mark.parametrize("api", ["v2", "v1"])
def test_quick_changes_nothing_and_starts_no_job(user: User, sandbox: SandboxProcess, api: str) -> None:
    sandbox.reset_calls()
    found = examine(user, "--quick", **variables(sandbox, api))
    assert (found["rights"]["state"], "not tried" in found["rights"]["found"]) == ("ok", True)
    sandbox.home.chmod(0o555)
    found = examine(user, "--quick", **variables(sandbox, api))
    sandbox.home.chmod(0o755)
    assert (found["rights"]["state"], "-o ro" in found["rights"]["cure"]) == ("warning", True)
    changing = [call for call in sandbox.calls() if not call.startswith(("GET ", "HEAD ")) and "token" not in call]
    assert changing == []


def token(**claims: float) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"iss": "x", "sub": "me", **claims}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.c2ln"


Fault = Callable[[SandboxProcess], dict[str, str]]
"""Makes something wrong; returns the variables of a user who meets it."""


def unhealthy(sandbox: SandboxProcess) -> dict[str, str]:
    sandbox.faults(unhealthy=True)
    return variables(sandbox)


def rule(match: str, **what: Any) -> Fault:
    def make(sandbox: SandboxProcess) -> dict[str, str]:
        sandbox.faults({"match": match, "count": None, **what})
        return variables(sandbox)

    return make


def faults(**what: Any) -> Fault:
    def make(sandbox: SandboxProcess) -> dict[str, str]:
        sandbox.faults(**what)
        return variables(sandbox)

    return make


def without(**changed: str) -> Fault:
    return lambda sandbox: {**variables(sandbox), **changed}


def old_token(sandbox: SandboxProcess) -> dict[str, str]:
    return {**variables(sandbox), "FIRECREST_TOKEN_COMMAND": f"echo {sandbox.token(seconds=20)}"}


def slow_clock(sandbox: SandboxProcess) -> dict[str, str]:
    now = time.time()
    made = token(iat=now + 3600, exp=now + 7200)
    return {**variables(sandbox), "FIRECREST_TOKEN_COMMAND": f"echo {made}"}


def tls_where_there_is_none(sandbox: SandboxProcess) -> dict[str, str]:
    url = sandbox.info.url_v2.replace("http://", "https://")
    return {**variables(sandbox), "FIRECREST_URL": url}


DENIED = json.dumps(
    {"message": "Remote process failed with exit status:1 and error message:cannot: Permission denied"}
)

FAULTS: list[tuple[str, Fault, str, str]] = [
    ("no settings", lambda _sandbox: {}, "settings", "f7tfs login"),
    ("an unknown profile", without(F7TFS_PROFILE="nosuch"), "settings", "f7tfs profiles"),
    ("no such host", without(FIRECREST_URL="http://nosuch.invalid"), "name", "DNS"),
    ("nobody listens", without(FIRECREST_URL="http://127.0.0.1:9/v2"), "connection", "firewall"),
    ("no TLS", tls_where_there_is_none, "tls", "check the URL"),
    ("a wrong secret", without(FIRECREST_CLIENT_SECRET="wrong-secret"), "token", "f7tfs login"),
    ("a failing token command", without(FIRECREST_TOKEN_COMMAND="false"), "token", "f7tfs login"),
    ("a token at its end", old_token, "token", "token command"),
    ("a slow clock", slow_clock, "clock", "timedatectl"),
    ("no FirecREST there", rule("/status/systems", status=404), "site", "check the URL"),
    ("an unknown system", without(FIRECREST_SYSTEM="nosuch"), "system", "it has: cluster"),
    ("a sick service", unhealthy, "service", "ask the site"),
    ("a directory that may not be read", rule("/ops/ls", status=403, body=DENIED), "root", "that you may read"),
    ("no right to write", rule("POST .*/mkdir", status=403, body=DENIED), "rights", "-o ro"),
    ("a full quota", faults(quota=0), "direct", "quota"),
    ("a full file system", faults(quota=0, quota_error="ENOSPC"), "direct", "full"),
    ("no archives", rule("/(compress|extract)", status=400, body='{"message":"no"}'), "archive", "f7tfs log"),
    ("failing transfers", faults(fail_transfers=5), "staged", "transfer jobs"),
    ("content that is cut short", faults(wrong_content=5), "staged", "transfer jobs"),
]


@pytest.mark.parametrize(("fault", "check", "cure"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_is_found_and_its_cure_is_named(
    user: User, sandbox: SandboxProcess, fault: Fault, check: str, cure: str
) -> None:
    quick = () if check in ("rights", "direct", "archive", "staged") else ("--quick",)
    found = examine(user, *quick, **fault(sandbox))
    assert found[check]["state"] != "ok", found
    assert cure in found[check]["cure"]


def test_a_site_that_is_silent_is_a_failure_and_is_asked_once(user: User, sandbox: SandboxProcess) -> None:
    os.kill(sandbox.pid, signal.SIGSTOP)
    try:
        # It ends by itself, which is the first thing to be seen.
        found = examine(user, "--quick", **variables(sandbox))
    finally:
        os.kill(sandbox.pid, signal.SIGCONT)
    assert [check for check, finding in found.items() if finding["state"] == "failed"] == ["connection"]
    assert "no answer within 10 s" in found["connection"]["found"]
    assert "try again later" in found["connection"]["cure"]
    others = {check for check, finding in found.items() if finding["state"] == "not examined"}
    assert others == {"token", "site", "service", "user", "root", "rights"}


@pytest.mark.parametrize(("call", "check"), [("/status/systems", "site"), ("/mkdir", "rights")])
def test_a_call_that_is_not_answered_is_a_failure(user: User, sandbox: SandboxProcess, call: str, check: str) -> None:
    found = examine(user, **rule(call, delay=3600)(sandbox))
    assert found[check]["state"] == "failed"
    assert "no answer within 10 s" in found[check]["found"]


def services(user: User, environment: dict[str, str]) -> list[tuple[str, str]]:
    """The state of each service, and what is told of it."""
    done = user("doctor", "--quick", "--json", **environment)
    return [(each["state"], each["found"]) for each in json.loads(done.stdout) if each["check"] == "service"]


def v1_services(**status: str) -> str:
    out = [{"service": name, "status": said.split(":")[0], "description": said} for name, said in status.items()]
    return json.dumps({"description": "List of services with status and description.", "out": out})


def test_each_service_is_named_with_what_the_site_says_of_it(user: User, sandbox: SandboxProcess) -> None:
    healthy = services(user, variables(sandbox))
    assert {state for state, _ in healthy} == {"ok"}
    assert [found.split(": ")[0] for _, found in healthy] == [
        *("cluster, scheduler", "cluster, ssh", "cluster, filesystem /home", "cluster, filesystem /scratch"),
        "cluster, s3",
    ]
    asked = services(user, variables(sandbox, "v1"))
    assert ("ok", "cluster, system: System ready") in asked
    assert ("ok", "cluster, compute: server up & flask running") in asked
    assert len(asked) == 8
    sandbox.faults(unhealthy=True)
    assert ("failed", "cluster, ssh: [Errno 111] Connection refused") in services(user, variables(sandbox))
    sick = services(user, variables(sandbox, "v1"))
    assert ("failed", "cluster, system: System does not accept connections") in sick


def test_a_service_of_v1_that_is_away_is_told_by_whether_it_is_needed(user: User, sandbox: SandboxProcess) -> None:
    body = v1_services(compute="not available: down", reservations="not available: off", tasks="available: up")
    rule("/status/services", status=200, body=body)(sandbox)
    assert services(user, variables(sandbox, "v1")) == [
        ("ok", "cluster, system: System ready"),
        ("failed", "cluster, compute: not available: down"),
        ("warning", "cluster, reservations: not available: off"),
        ("ok", "cluster, tasks: available: up"),
    ]


@pytest.mark.parametrize("said", [{"status": 404, "body": "{}"}, {"status": 200, "body": v1_services()}])
def test_a_site_that_tells_nothing_of_its_services_is_not_called_well(
    user: User, sandbox: SandboxProcess, said: dict[str, Any]
) -> None:
    rule("/status/services", **said)(sandbox)
    [system, untold] = services(user, variables(sandbox, "v1"))
    assert system == ("ok", "cluster, system: System ready")
    assert (untold[0], "the site does not tell of its services" in untold[1]) == ("not examined", True)


def test_a_v2_site_that_has_not_looked_at_its_services_yet_is_not_called_well(
    user: User, sandbox: SandboxProcess
) -> None:
    body = json.dumps({"systems": [{"name": "cluster", "servicesHealth": None, "fileSystems": []}]})
    rule("/status/systems", status=200, body=body)(sandbox)
    untold = ("not examined", "cluster: the site does not tell of its services")
    assert services(user, variables(sandbox)) == [untold]


@pytest.mark.parametrize(("options", "why"), [((), "holds all file systems"), (("-o", "ro"), "nothing is written")])
def test_what_is_not_tried_is_said(user: User, sandbox: SandboxProcess, options: tuple[str, ...], why: str) -> None:
    found = examine(user, "cluster:/", *options, **variables(sandbox))
    for check in ("rights", "direct", "archive", "staged"):
        assert (found[check]["state"], why in found[check]["found"]) == ("not examined", True)


def test_a_disk_that_has_no_more_than_its_reserve_is_a_failure(user: User, sandbox: SandboxProcess) -> None:
    found = examine(user, "--quick", "-o", "cache_reserve=900000G", **variables(sandbox))["disk"]
    assert (found["state"], "ENOSPC" in found["found"], "cache_reserve" in found["cure"]) == ("failed", True, True)
    found = examine(user, "--quick", "-o", "cache_reserve=0,cache_size=900000G", **variables(sandbox))["disk"]
    assert found["state"] == "warning" or "less than the cache may take" in found["found"]


def test_without_settings_the_machine_is_examined_all_the_same(user: User) -> None:
    assert list(examine(user, "--quick")) == ["fuse", "fusermount3", "disk", "settings"]


def test_a_directory_that_is_not_there_is_found(user: User, sandbox: SandboxProcess) -> None:
    found = examine(user, "cluster:/home/nosuch", **variables(sandbox))
    assert (found["root"]["state"], "cluster: is your own" in found["root"]["cure"]) == ("failed", True)


def test_a_site_whose_transfers_need_an_account(user: User, start_sandbox: Callable[..., SandboxProcess]) -> None:
    sandbox = start_sandbox(require_account=True)
    found = examine(user, **variables(sandbox))
    assert "--account" in found["account"]["cure"]
    found = examine(user, "--account", "staff", **variables(sandbox))
    assert (found["service"]["state"], found["staged"]["state"]) == ("ok", "ok")


@pytest.mark.parametrize(
    ("break_it", "check", "cure"),
    [
        ("mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3", "fuse", "modprobe fuse"),
        (
            "mkdir -p state && mount -t tmpfs -o size=64k none state && head -c 62K /dev/zero > state/full",
            "disk",
            "make room",
        ),
        ("mkdir -p state && mount -t tmpfs -o ro none state", "disk", "XDG_STATE_HOME"),
    ],
    ids=["no device", "a full disk", "a read-only disk"],
)
def test_a_fault_of_this_machine_is_found(
    user: User, sandbox: SandboxProcess, break_it: str, check: str, cure: str
) -> None:
    found = examine_alone(user, sandbox, break_it)
    assert (found[check]["state"], cure in found[check]["cure"]) == ("failed", True), found


def examine_alone(
    user: User, sandbox: SandboxProcess, first: str, *arguments: str, prefix: tuple[str, ...] = ()
) -> dict[str, dict[str, Any]]:
    """What the doctor finds in a mount namespace of its own, by check, once a script has run there."""
    doctor = shlex.join([*prefix, sys.executable, "-m", "f7tfs", "doctor", "--quick", "--json", *arguments])
    done = subprocess.run(
        alone(f"set -e\nmkdir -p state\n{first}\nexec {doctor}"),
        env={**user.env(), **variables(sandbox), "XDG_STATE_HOME": str(user.home / "state")},
        cwd=user.home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    found = {finding["check"]: finding for finding in json.loads(done.stdout or "[]")}
    assert done.returncode == any(finding["state"] == "failed" for finding in found.values()), done.stderr
    return found


FUSE_CONF = "touch /etc/fuse.conf; echo '{}' > fuse.conf; mount --bind fuse.conf /etc/fuse.conf"


@pytest.mark.parametrize(
    ("first", "arguments", "state", "cure"),
    [
        (FUSE_FOR_ALL, (), "ok", ""),
        (
            "mount -t tmpfs none /mnt; mknod -m 600 /mnt/fuse c 10 229; mount --bind /mnt/fuse /dev/fuse",
            (),
            "failed",
            "chmod 666 /dev/fuse",
        ),
        (f'{FUSE_FOR_ALL} mount --bind /dev/null "$(command -v fusermount3)"', (), "failed", "apt-get install fuse3"),
        (
            FUSE_FOR_ALL + FUSE_CONF.format("mount_max = 1000"),
            ("-o", "allow_other"),
            "failed",
            "echo user_allow_other >> /etc/fuse.conf",
        ),
        (FUSE_FOR_ALL + FUSE_CONF.format("user_allow_other"), ("-o", "allow_other"), "ok", ""),
    ],
    ids=["all is there", "a device of root's", "no fusermount3", "others are not allowed", "others are allowed"],
)
def test_a_fault_that_only_ordinary_users_meet_is_found(
    user: User, sandbox: SandboxProcess, first: str, arguments: tuple[str, ...], state: str, cure: str
) -> None:
    nobody = pwd.getpwnam("nobody")
    first += "\nmount -t tmpfs -o mode=777 none state"
    found = examine_alone(user, sandbox, first, *arguments, prefix=as_user(nobody.pw_uid, nobody.pw_gid))
    assert (found["fuse"]["state"], cure in found["fuse"]["cure"]) == (state, True), found
    # One finding tells of one fault.
    assert {check for check, finding in found.items() if finding["state"] == "failed"} <= {"fuse"}
