"""What is handed out: the packages, the manual page, completion, the documentation's site."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import PATIENCE

TOP = Path(__file__).parents[2]


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(  # type: ignore[call-overload]
        command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return str(done.stdout)


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
    run(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site", cwd=TOP)
    assert (tmp_path / "site" / "tutorial" / "first-mount.html").exists()
    commands = (tmp_path / "site" / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "f7tfs mount SYSTEM:/PATH MOUNTPOINT" in commands


@pytest.fixture
def account() -> Iterator[pwd.struct_passwd]:
    """A fresh account with a home of its own."""
    name = f"f7tfs-{os.getpid()}"
    base = Path(tempfile.mkdtemp(prefix="f7tfs-home-"))
    base.chmod(0o755)
    run("useradd", "--create-home", "--home-dir", base / name, "--shell", "/bin/bash", name)
    device = Path("/dev/fuse")
    mode = device.stat().st_mode & 0o777
    device.chmod(0o666)
    yield pwd.getpwnam(name)
    device.chmod(mode)
    run("userdel", "--remove", name)
    base.rmdir()


@pytest.mark.long
def test_from_install_to_the_first_ls_as_an_ordinary_user(
    packages: Path, account: pwd.struct_passwd, sandbox: SandboxProcess
) -> None:
    """As root alone: it makes an account. What it takes is told, and is no promise."""
    info = sandbox.info
    (sandbox.home / "welcome").write_text("x")
    home = Path(account.pw_dir)
    began = time.monotonic()
    programs = install(packages, home / "venv")
    run("chown", "-R", account.pw_name, home)
    # It may read this interpreter and these libraries, which may lie in root's home.
    prefix = [
        *("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"),
        *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
    ]
    script = f"""
    set -e
    f7tfs login --site {info.url_v2} --token-url {info.token_url} --client-id {info.client_id} --no-keyring
    f7tfs doctor cluster --quick > /dev/null
    mkdir cluster
    f7tfs mount cluster cluster
    ls cluster
    echo mine > cluster/mine
    f7tfs umount --all
    """
    environment = {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", "LANG": "C.UTF-8"}
    printed = run(*prefix, "bash", "-c", script, env=environment, cwd=home, input=f"{info.client_secret}\n")
    print(f"from install to umount: {time.monotonic() - began:.1f} s")  # noqa: T201 - the figure of this test
    assert "welcome" in printed.split()
    assert (sandbox.home / "mine").read_text() == "mine\n"
