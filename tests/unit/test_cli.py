"""The command line as a user runs it: what it refuses before anything is mounted, and how it says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPLETE = {
    "FIRECREST_URL": "http://127.0.0.1:9/v2",
    "AUTH_TOKEN_URL": "http://127.0.0.1:9/token",
    "FIRECREST_CLIENT_ID": "me",
    "FIRECREST_CLIENT_SECRET": "hush-hush-hush",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with nothing of the tester's in it."""
    (tmp_path / "empty").mkdir()
    return tmp_path


def f7tfs(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FIRECREST", "AUTH_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-m", "f7tfs", *arguments],
        env={**clean, "HOME": str(home), **environment},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The two lines that a refusal is: what happened, what to do."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert "hush-hush-hush" not in done.stderr
    what, cure = done.stderr.splitlines()
    assert what.startswith("f7tfs: ")
    assert cure.startswith("       ")
    return f"{what}\n{cure.strip()}"


def test_the_version_is_told(home: Path) -> None:
    done = f7tfs(home, "--version")
    assert (done.returncode, done.stdout) == (0, "f7tfs 0.1.0\n")


COMMANDS = [
    "login",
    "profiles",
    "service",
    "mount",
    "mounts",
    "umount",
    "status",
    "log",
    "sync",
    "refresh",
    "trace",
    "sandbox",
]


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_every_command_explains_itself(home: Path, command: tuple[str, ...]) -> None:
    done = f7tfs(home, *command, "--help")
    assert done.returncode == 0
    assert "Usage: f7tfs" in done.stdout


def test_no_option_takes_a_secret(home: Path) -> None:
    assert "secret" not in f7tfs(home, "mount", "--help").stdout.replace("FIRECREST_CLIENT_SECRET", "").lower()
    done = f7tfs(home, "mount", "daint:/", "empty", "--client-secret", "x", **COMPLETE)
    assert done.returncode == 2
    assert "--client-secret" in done.stderr


def test_a_wrong_call_is_refused_in_two_lines(home: Path) -> None:
    done = f7tfs(home, "umount", "--fast", "empty")
    assert done.returncode == 2
    what, cure = done.stderr.splitlines()
    assert what.startswith("f7tfs: No such option: --fast")
    assert cure == "       f7tfs umount --help tells how it is called"


def test_an_option_of_another_command_is_told_by_its_name_here(home: Path) -> None:
    done = f7tfs(home, "login", "--url", "https://api.example.org")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "f7tfs: No such option: --url",
        "       it is --site; f7tfs login --help tells more",
    ]


def test_a_traceback_is_shown_to_who_asks_for_it(home: Path) -> None:
    assert "Traceback" in f7tfs(home, "--debug", "refresh", "empty").stderr
    assert "Traceback" not in f7tfs(home, "refresh", "empty").stderr


@pytest.mark.parametrize("words", ["jobs submit /dev/null", "jobs list", "prefetch ."])
def test_a_working_directory_that_is_gone_is_told(home: Path, words: str) -> None:
    script = f'rmdir ../empty && exec "{sys.executable}" -m f7tfs {words}'
    done = subprocess.run(
        ["sh", "-c", script],
        env={**os.environ, "HOME": str(home)},
        cwd=home / "empty",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the working directory is gone\ncd to one that is there" in refused(done)


def test_a_command_starts_without_what_only_a_daemon_needs(home: Path) -> None:
    script = "import sys, f7tfs.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    slow = {"trio", "httpx", "pyfuse3", "tomlkit", "keyring", "rich", "starlette", "sqlite3"}
    assert slow & set(loaded.stdout.split()) == set()


def test_missing_settings_are_named(home: Path) -> None:
    line = refused(f7tfs(home, "mount", "daint:/x", "empty"))
    for name in ("FIRECREST_URL", "FIRECREST_CLIENT_ID", "FIRECREST_CLIENT_SECRET", "AUTH_TOKEN_URL"):
        assert name in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["daint:/x", "absent"], "absent: no such directory"),
        (["daint:/x", "file"], "file: not a directory"),
        (["daint:/x", "full"], "full: not empty"),
        (["daint:/x", "/proc"], "/proc: busy"),
        (["daint:x", "empty"], "not an absolute path"),
        ([":/x", "empty"], "FIRECREST_SYSTEM"),
        (["nosuch", "empty"], "no profile 'nosuch'"),
        (["daint:/x", "empty", "-o", "ro,fast"], "unknown option -o fast"),
        (["daint:/x", "empty", "-o", "uid=me"], "-o uid=me"),
        (["daint:/x", "empty", "--write-mode", "never"], "write_mode=never"),
        (["daint:/x", "empty", "--zone", "Mars/X"], "zone=Mars/X: no such time zone"),
        (["daint:/x", "empty", "--api-version", "3"], "no such API version"),
        (["daint:/x", "empty", "--url", "api.example.org"], "not an http(s) URL"),
        (["daint:/x", "empty", "--profile", "nosuch"], "no profile 'nosuch'"),
    ],
)
def test_what_cannot_be_mounted_is_refused_in_two_lines(home: Path, arguments: list[str], said: str) -> None:
    (home / "file").touch()
    (home / "full").mkdir()
    (home / "full" / "x").touch()
    assert said in refused(f7tfs(home, "mount", *arguments, **COMPLETE))


def test_a_configuration_with_a_secret_that_others_can_read_is_refused(home: Path) -> None:
    file = home / ".config" / "f7tfs" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[profiles.daint]\nsystem = "daint"\nclient_secret = "hush-hush-hush"\n')
    file.chmod(0o644)
    assert "chmod 600" in refused(f7tfs(home, "mount", "daint", "empty", **COMPLETE))


def test_nothing_is_mounted(home: Path) -> None:
    # Other tests, and whoever runs them, may have a stale mount at this moment, which is shown too.
    mounts = json.loads(f7tfs(home, "status", "--json").stdout)
    assert [each for each in mounts if "problem" not in each] == []
    said = f7tfs(home, "status")
    assert "its daemon has gone" in said.stdout or (said.stdout, said.stderr) == ("", "nothing is mounted\n")
    assert "empty is not in a mount of f7tfs" in refused(f7tfs(home, "umount", "empty"))
    assert "nothing is mounted" in refused(f7tfs(home, "sync"))
    assert "not in a mount of f7tfs" in refused(f7tfs(home, "refresh", "empty"))
    assert "empty is not in a mount of f7tfs" in refused(f7tfs(home, "status", "empty"))


def test_what_is_not_ours_is_not_unmounted(home: Path) -> None:
    assert "/proc is not a mount of f7tfs (proc)" in refused(f7tfs(home, "umount", "/proc"))
    assert Path("/proc/self").exists()


def test_a_sandbox_needs_its_directory_and_its_port(home: Path) -> None:
    (home / "file").touch()
    assert "file: File exists" in refused(f7tfs(home, "sandbox", "--root", str(home / "file")))


def test_profiles_show_no_secret_and_no_password_of_a_proxy(home: Path) -> None:
    config = home / "config.toml"
    config.write_text(
        '[profiles.here]\nurl = "https://x.example.org/v2"\nclient_secret = "hush-hush"\n'
        'proxy = "http://me:hush-hush@proxy.example.org:3128"\n'
    )
    config.chmod(0o600)
    for words in (["show", "here"], ["show", "here", "--json"], ["list", "--json"]):
        done = f7tfs(home, "profiles", *words, F7TFS_CONFIG=str(config))
        assert done.returncode == 0, done.stderr
        assert "hush-hush" not in done.stdout
        assert "https://x.example.org/v2" in done.stdout
        assert "http://me:[redacted]@proxy.example.org:3128" in done.stdout
