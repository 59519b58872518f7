"""The tutorial is run as it stands; so is the classical one of pyFirecREST, but for its import line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial/client.md"

# A script for pyFirecREST's first version: the calls, their names and order are those of its tutorial.
CLASSICAL = """
import f7tfs.firecrest as f7t
fc = f7t

class MyAuthorizationClass:
    def __init__(self):
        pass

    def get_access_token(self):
        return TOKEN

client = f7t.Firecrest(firecrest_url=FIRECREST_URL, authorization=MyAuthorizationClass())
systems = client.all_systems()
files = client.list_files(SYSTEM, HOME)
job = client.submit(SYSTEM, "script.sh")

down_obj = client.external_download(SYSTEM, HOME + "/file")
print(down_obj.status)
down_obj.finish_download("file.back")
print(down_obj.object_storage_data)
down_obj.invalidate_object_storage_link()

up_obj = client.external_upload(SYSTEM, "script.sh", HOME)
print(up_obj.status)
up_obj.finish_upload()
print(up_obj.status)
print(up_obj.object_storage_data)

try:
    parameters = client.parameters()
    print(f"Firecrest parameters: {parameters}")
except fc.FirecrestException as e:
    print(e)
    print(e.responses)
except Exception as e:
    print(e)
"""


@pytest.fixture
def names(sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the reader of a tutorial has, in an empty directory here and one on the cluster."""
    monkeypatch.chdir(tmp_path)
    home = f"{sandbox.info.home}/{tmp_path.name}"
    sandbox.real(home).mkdir()
    return {
        "__name__": "tutorial",
        "FIRECREST_URL": sandbox.info.url_v1,
        "FIRECREST_URL_V1": sandbox.info.url_v1,
        "FIRECREST_URL_V2": sandbox.info.url_v2,
        "TOKEN": sandbox.token(),
        "SYSTEM": sandbox.info.system,
        "HOME": home,
    }


def blocks() -> list[tuple[int, str]]:
    """The Python blocks of the tutorial with the numbers of their first lines."""
    text = TUTORIAL.read_text()
    return [
        (text.count("\n", 0, found.start(1)), found[1])
        for found in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def test_the_tutorial_works_as_it_stands(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    for line, code in blocks():
        # The file's own line numbers, for whoever has to mend it.
        exec(compile("\n" * line + code, str(TUTORIAL), "exec"), names)  # noqa: S102 - our own text
    said = capsys.readouterr().out
    assert "Job submitted" in said
    assert "FirecREST parameters: {" in said
    assert "401: " in said


def test_the_tutorial_shows_a_first_call_in_five_lines() -> None:
    (_, first), *_ = blocks()
    assert len([line for line in first.splitlines() if line]) <= 5


# The same for its second version.
CLASSICAL_V2 = """
import f7tfs.firecrest as f7t

class MyAuthorizationClass:
    def get_access_token(self):
        return TOKEN

client = f7t.v2.Firecrest(firecrest_url=FIRECREST_URL_V2, authorization=MyAuthorizationClass())
systems = client.systems()
files = client.list_files(SYSTEM, HOME)
job = client.submit(SYSTEM, working_dir=HOME, script_local_path="script.sh")
client.wait_for_job(SYSTEM, job["jobId"])
print(client.job_info(SYSTEM, job["jobId"])[0]["status"]["state"])

client.upload(SYSTEM, "large", HOME, "large", account="staff", blocking=True)
down_obj = client.download(SYSTEM, HOME + "/large", "large.back", account="staff", blocking=False)
print(down_obj.transfer_data["transferJob"]["logs"])
down_obj.wait_for_transfer_job()
down_obj.download_file_from_stage()

try:
    client.mkdir(SYSTEM, HOME + "/no/where")
except f7t.UnexpectedStatusException as e:
    print(e.responses[-1].status_code, e.responses[-1].json()["message"])
client.close_session()
"""
# The official client leaves sessions open, and calls what is deprecated in its libraries.
BOTH = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
IMPORTS = ["import f7tfs.firecrest as f7t", "import firecrest as f7t"]
# Of its present form the first version's client is named v1.
V1_ALONE = "f7t = types.SimpleNamespace(Firecrest=v1.Firecrest, FirecrestException=FirecrestException)"
IMPORTS_V1 = [IMPORTS[0], f"from firecrest import FirecrestException, v1; import types; {V1_ALONE}"]


@BOTH
@pytest.mark.parametrize("line", IMPORTS_V1, ids=["f7tfs", "pyfirecrest"])
def test_a_script_for_pyfirecrest_runs_with_another_import_line(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str], sandbox: SandboxProcess, line: str
) -> None:
    Path("script.sh").write_text("#!/bin/bash\necho done\n")
    sandbox.real(f"{names['HOME']}/file").write_bytes(b"some content")
    exec(CLASSICAL.replace(IMPORTS[0], line), names)  # noqa: S102 - our own text
    said = capsys.readouterr().out
    assert "Firecrest parameters: {" in said
    assert "curl" in said
    assert Path("file.back").read_bytes() == b"some content"
    assert names["job"]["result"] == "Job submitted"
    assert {"jobid", "job_file", "job_file_out", "job_file_err", "job_data_out", "job_data_err"} <= set(names["job"])
    if line == IMPORTS[0]:
        names["client"].close_session()


@BOTH
@pytest.mark.parametrize("line", IMPORTS, ids=["f7tfs", "pyfirecrest"])
def test_a_script_for_its_second_version_runs_with_another_import_line(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str], sandbox: SandboxProcess, line: str
) -> None:
    Path("script.sh").write_text("#!/bin/bash\necho done\n")
    Path("large").write_bytes(b"0123456789" * 600_000)
    exec(CLASSICAL_V2.replace(IMPORTS[0], line), names)  # noqa: S102 - our own text
    said = capsys.readouterr().out
    assert "COMPLETED" in said
    assert "outputLog" in said
    assert "404 Remote process failed" in said
    assert Path("large.back").read_bytes() == Path("large").read_bytes()
