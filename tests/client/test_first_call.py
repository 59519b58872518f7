"""`python -m f7tfs.firecrest`: the systems of a site, by the environment variables of pyFirecREST."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from f7tfs.sandbox.process import SandboxProcess


def first_call(**variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FIRECREST", "AUTH_"))}
    command = [sys.executable, "-m", "f7tfs.firecrest"]
    return subprocess.run(command, env=clean | variables, capture_output=True, text=True, timeout=120, check=False)


def credentials(sandbox: SandboxProcess) -> dict[str, str]:
    info = sandbox.info
    return {
        "FIRECREST_CLIENT_ID": info.client_id,
        "FIRECREST_CLIENT_SECRET": info.client_secret,
        "AUTH_TOKEN_URL": info.token_url,
    }


@pytest.mark.parametrize(("version", "major"), [("", "v2"), ("2.5.1", "v2"), ("1", "v1"), ("v1.16.0", "v1")])
def test_the_systems_are_listed(sandbox: SandboxProcess, version: str, major: str) -> None:
    variables = {"FIRECREST_URL": getattr(sandbox.info, f"url_{major}")}
    if version:
        variables["FIRECREST_API_VERSION"] = version
    done = first_call(**variables, **credentials(sandbox))
    assert (done.returncode, done.stdout, done.stderr) == (0, "cluster\n", "")


def test_a_token_may_come_from_a_command(sandbox: SandboxProcess) -> None:
    done = first_call(FIRECREST_URL=sandbox.info.url_v2, FIRECREST_TOKEN_COMMAND=f"echo {sandbox.token()}")
    assert (done.returncode, done.stdout) == (0, "cluster\n")


def test_what_is_missing_is_named() -> None:
    done = first_call()
    assert done.returncode == 2
    assert done.stderr.startswith("FIRECREST_URL is missing: set ")


def test_a_refusal_is_told_without_a_traceback(sandbox: SandboxProcess) -> None:
    wrong = credentials(sandbox) | {"FIRECREST_CLIENT_SECRET": "wrong-secret"}
    done = first_call(FIRECREST_URL=sandbox.info.url_v2, **wrong)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "wrong-secret" not in done.stderr
