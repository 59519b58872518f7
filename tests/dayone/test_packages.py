"""What is handed out: the packages, the manual page, completion, the documentation's site."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tarfile
import time
import venv
import zipfile
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import Account, run

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel and a source distribution."""
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", target, TOP)
    return target


def install(packages: Path, place: Path) -> Path:
    """The wheel in an environment of its own, its dependencies lent by this one; returns its programs."""
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    [wheel] = packages.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (own / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin"


def test_the_packages_are_complete_and_valid(packages: Path) -> None:
    [wheel], [source] = packages.glob("*.whl"), packages.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, source)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"f7tfs/py.typed", "f7tfs/cli/app.py"} <= set(names)
    assert any(name.endswith("share/man/man1/f7tfs.1") for name in names)
    assert not any(name.startswith("tests/") for name in names)
    with tarfile.open(source) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    assert {"README.md", "LICENSE", "docs/index.md", "mkdocs.yml", "tests/conftest.py"} <= inside


def test_the_wheel_brings_the_commands_the_manual_and_completion(packages: Path, tmp_path: Path) -> None:
    programs = install(packages, tmp_path / "venv")
    clean = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    where = run(programs / "python", "-c", "import f7tfs; print(f7tfs.__file__)", env=clean, cwd=tmp_path)
    assert where.startswith(str(tmp_path / "venv"))
    assert run(programs / "f7tfs", "--version", env=clean, cwd=tmp_path).startswith("f7tfs ")
    assert (programs / "mount.f7tfs").exists()
    manual = (tmp_path / "venv" / "share" / "man" / "man1" / "f7tfs.1").read_text()
    assert manual.startswith(".TH F7TFS 1")
    script = run(programs / "f7tfs", env={**clean, "_F7TFS_COMPLETE": "source_bash"}, cwd=tmp_path)
    assert "complete" in script
    asked = {"_F7TFS_COMPLETE": "complete_bash", "COMP_WORDS": "f7tfs moun", "COMP_CWORD": "1"}
    assert run(programs / "f7tfs", env={**clean, **asked}, cwd=tmp_path).split() == ["mount", "mounts"]


def test_the_documentation_is_built_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    run(sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site", cwd=TOP)
    assert (tmp_path / "site" / "tutorial" / "first-mount.html").exists()
    commands = (tmp_path / "site" / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "f7tfs mount SYSTEM:/PATH MOUNTPOINT" in commands


def test_from_install_to_the_first_ls_as_an_ordinary_user(
    packages: Path, account: Account, sandbox: SandboxProcess
) -> None:
    """What each step takes is told (`pytest -rA`), and is no promise."""
    info = sandbox.info
    (sandbox.home / "welcome").write_text("x")
    began = time.time()
    programs = install(packages, account.home / "venv")
    account.owns(account.home / "venv")
    script = f"""
    set -e
    done_at() {{ echo "@@@ $1 $EPOCHREALTIME"; }}
    cd
    done_at install
    f7tfs login --site {info.url_v2} --token-url {info.token_url} --client-id {info.client_id} --no-keyring
    done_at login
    f7tfs doctor cluster --quick > /dev/null
    done_at doctor
    mkdir cluster
    f7tfs mount cluster cluster
    done_at mount
    ls cluster
    done_at "first ls"
    echo mine > cluster/mine
    f7tfs umount --all
    done_at umount
    """
    environment = {"HOME": str(account.home), "PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    printed = run(*account.prefix, "bash", "-c", script, env=environment, input=f"{info.client_secret}\n")
    for step, ended in re.findall(r"^@@@ (.*) ([\d.]+)$", printed, re.MULTILINE):
        print(f"{float(ended) - began:6.1f} s  {step}")  # noqa: T201 - the figures of this test
    assert "welcome" in printed.split()
    assert (sandbox.home / "mine").read_text() == "mine\n"
