"""What is taken out of a log, and who may read it."""

from __future__ import annotations

import logging
import logging.handlers
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from f7tfs import log
from f7tfs.log import RedactingFormatter, redact

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
SIGNATURE = "5f3a9c0de8"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {TOKEN}", TOKEN),
        ("headers={'Authorization': 'Bearer abcdefgh12345'}", "abcdefgh12345"),
        (f"401 from /ls, auth-token: {TOKEN}", TOKEN),
        ("('auth-token', 'opaque-value-1')", "opaque-value-1"),
        ("[(b'auth-token', b'opaque-value-1')]", "opaque-value-1"),
        ("export FIRECREST_CLIENT_SECRET=hush-hush", "hush-hush"),
        ("grant_type=client_credentials&client_id=me&client_secret=hush-hush&scope=x", "hush-hush"),
        ('{"access_token": "opaque-value-1", "expires_in": 300}', "opaque-value-1"),
        ("{'refresh_token': 'opaque-value-1'}", "opaque-value-1"),
        (f"GET https://s3.example.org/b/k?X-Amz-Date=1&X-Amz-Signature={SIGNATURE}&x=y", SIGNATURE),
        (f"https://s3.example.org/b/k?AWSAccessKeyId=a&Signature={SIGNATURE}&Expires=1", SIGNATURE),
        (f'http://s3.example.org:80 "PUT /b/k?AWSAccessKeyId=a&Signature={SIGNATURE} HTTP/1.1" 200 0', SIGNATURE),
        (f"curl '/b/k?x-amz-signature={SIGNATURE}'", SIGNATURE),
        ("no way through http://me:hush@hush@proxy.example.org:3128", "hush"),
        ("url?X-Amz-Credential=AKIA123%2F2023&b=c", "AKIA123"),
    ],
)
def test_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "mounted daint:/scratch on /mnt",
        "GET https://api.example.org/filesystem/daint/ops/ls?path=/scratch/me&showHidden=true 200",
        "no way through http://me@proxy.example.org:3128/a@b",
        "the bearer of this is late",
        "no such file: access_tokens.txt",
        "missing settings: FIRECREST_CLIENT_SECRET, AUTH_TOKEN_URL",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_what_surrounds_a_presigned_url_stays() -> None:
    line = redact(f"PUT https://s3.example.org/b/k?X-Amz-Signature={SIGNATURE} failed")
    assert line == "PUT https://s3.example.org/b/k?[redacted] failed"


def test_a_known_secret_is_taken_out_of_messages_arguments_and_tracebacks() -> None:
    formatter = RedactingFormatter(["s3cr3t-value"])
    error = RuntimeError("refused: s3cr3t-value")
    raised = (RuntimeError, error, None)
    line = formatter.format(logging.LogRecord("x", logging.ERROR, __file__, 1, "with %s", ("s3cr3t-value",), raised))
    assert "s3cr3t-value" not in line
    assert "with [redacted]" in line
    assert "RuntimeError: refused: [redacted]" in line


PROGRAM = """
import logging, os, sys
from pathlib import Path
from f7tfs import log
log._MAX_BYTES = 2000
log.set_up(debug=False, file=Path(sys.argv[1]))
for number in range(60):
    logging.getLogger("some.module").info("line %d of many", number)
os.write(2, b"from libfuse\\n")
logging.getLogger("httpx").info("chatter")
"""


def test_a_daemons_log_is_private_rotated_and_takes_standard_error(tmp_path: Path) -> None:
    file = tmp_path / "daemon.log"
    old_umask = os.umask(0)
    try:
        subprocess.run([sys.executable, "-c", PROGRAM, str(file)], check=True, timeout=60)
    finally:
        os.umask(old_umask)
    assert "from libfuse" in file.read_text()
    assert "chatter" not in file.read_text()
    rotated = sorted(tmp_path.glob("daemon.log.*"))
    assert rotated
    assert "line 0 of many" in "".join(part.read_text() for part in rotated)
    for part in (file, *rotated):
        assert stat.S_IMODE(part.stat().st_mode) == 0o600


def test_the_log_directory_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    directory = log.log_file("a-mount").parent
    assert directory.is_relative_to(tmp_path)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
