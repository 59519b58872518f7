"""Settings: which source wins, what is refused, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from f7tfs.config import (
    ClientCredentials,
    ConfigError,
    MountOptions,
    Settings,
    TokenCommand,
    api_version,
    from_environment,
    merge,
    options_from_text,
    read_profile,
    read_profiles,
    resolve,
)
from f7tfs.config.profiles import write_profile
from f7tfs.config.sources import profile_settings

COMPLETE = Settings(
    url="https://api.example.org/",
    token_url="https://auth.example.org/token",
    client_id="me",
    client_secret="hush",
    system="daint",
)


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        ([], Settings()),
        ([Settings(url="flag"), Settings(url="env"), Settings(url="file")], Settings(url="flag")),
        ([Settings(), Settings(url="env"), Settings(url="file")], Settings(url="env")),
        ([Settings(), Settings(), Settings(url="file")], Settings(url="file")),
        (
            [Settings(url="flag"), Settings(account="env"), Settings(zone="file")],
            Settings("flag", account="env", zone="file"),
        ),
        # False and 0 are said, None is not.
        ([Settings(read_only=False, uid=0), Settings(read_only=True, uid=7)], Settings(read_only=False, uid=0)),
    ],
)
def test_the_first_source_that_says_something_wins(layers: list[Settings], wanted: Settings) -> None:
    assert merge(*layers) == wanted


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        # A token command above a client's credentials, and the other way round.
        ([Settings(token_command="cmd"), Settings(client_id="a", client_secret="b")], Settings(token_command="cmd")),
        (
            [Settings(client_id="a", client_secret="b"), Settings(token_command="cmd")],
            Settings(client_id="a", client_secret="b"),
        ),
        # Where one source says both, the command is the more particular.
        ([Settings(token_command="cmd", client_id="a")], Settings(token_command="cmd")),
        # A secret and the file of one exclude each other too; who they are for may come from elsewhere.
        (
            [Settings(client_secret="env"), Settings(client_id="a", client_secret_file=Path("f"))],
            Settings(client_id="a", client_secret="env"),
        ),
        (
            [Settings(client_secret_file=Path("f")), Settings(client_id="a", client_secret="s")],
            Settings(client_id="a", client_secret_file=Path("f")),
        ),
    ],
)
def test_one_source_decides_how_to_authenticate(layers: list[Settings], wanted: Settings) -> None:
    assert merge(*layers) == wanted


def test_complete_settings_become_a_mount() -> None:
    made = resolve(COMPLETE, "/scratch")
    assert made.url == "https://api.example.org"
    assert made.credentials == ClientCredentials("https://auth.example.org/token", "me", "hush")
    assert (made.system, made.path, made.api_version) == ("daint", "/scratch", None)
    assert made.options == MountOptions()


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(Settings(client_id="me"), None)
    for name in ("FIRECREST_URL", "FIRECREST_SYSTEM", "FIRECREST_CLIENT_SECRET", "AUTH_TOKEN_URL"):
        assert name in str(caught.value)
    assert "FIRECREST_CLIENT_ID" not in str(caught.value)


def test_a_token_command_needs_no_client() -> None:
    made = resolve(Settings(url="http://x", system="s", token_command="get-token"), None)
    assert made.credentials == TokenCommand("get-token")


@pytest.mark.parametrize("url", ["api.example.org", "ftp://x", "https://", "file:///etc/passwd"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="URL"):
        resolve(merge(Settings(url=url), COMPLETE), None)


def test_secrets_are_in_no_repr() -> None:
    assert "hush" not in repr(COMPLETE)
    assert "hush" not in repr(resolve(COMPLETE, None))


def test_the_secret_is_read_from_a_private_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-file\n")
    secret.chmod(0o600)
    made = resolve(merge(Settings(client_secret_file=secret), COMPLETE), None)
    assert isinstance(made.credentials, ClientCredentials)
    assert made.credentials.client_secret == "from-file"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-file")
    secret.chmod(mode)
    with pytest.raises(ConfigError, match="others can read it"):
        resolve(merge(Settings(client_secret_file=secret), COMPLETE), None)


def test_a_secret_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no-such-file: No such file"):
        resolve(merge(Settings(client_secret_file=tmp_path / "no-such-file"), COMPLETE), None)


def test_the_environment_has_the_names_of_pyfirecrest() -> None:
    read = from_environment(
        {
            "FIRECREST_URL": "u",
            "AUTH_TOKEN_URL": "t",
            "FIRECREST_CLIENT_ID": "i",
            "FIRECREST_CLIENT_SECRET": "s",
            "FIRECREST_SYSTEM": "daint",
            "FIRECREST_API_VERSION": "1.16.0",
            "FIRECREST_ACCOUNT": "a",
            "HOME": "/root",
        }
    )
    assert read == Settings(
        url="u", token_url="t", client_id="i", client_secret="s", system="daint", api_version="1", account="a"
    )


def test_an_empty_variable_says_nothing() -> None:
    assert from_environment({"FIRECREST_URL": "", "FIRECREST_API_VERSION": ""}) == Settings()


@pytest.mark.parametrize(
    ("text", "major"), [("1", "1"), ("v1", "1"), ("1.16.0", "1"), ("2", "2"), ("V2", "2"), ("2.5.1", "2")]
)
def test_api_versions(text: str, major: str) -> None:
    assert api_version(text) == major


@pytest.mark.parametrize("text", ["", "3", "v", "2.", "two", "12"])
def test_an_api_version_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="API version"):
        api_version(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Settings()),
        ("ro", Settings(read_only=True)),
        ("rw", Settings(read_only=False)),
        ("ro,rw", Settings(read_only=False)),
        (" ro , allow_other ", Settings(read_only=True, allow_other=True)),
        ("defaults,noexec,noatime", Settings(noexec=True, noatime=True)),
        ("noexec,exec", Settings(noexec=False)),
        ("exec,noexec", Settings(noexec=True)),
        ("auto,noauto,nofail,_netdev,user=me,nosuid,nodev,relatime,comment=x,x-systemd.automount", Settings()),
        ("uid=1000,gid=100,umask=022", Settings(uid=1000, gid=100, umask=0o22)),
        ("cache_size=20G,cache_reserve=1000", Settings(cache_size=20 * 2**30, cache_reserve=1000)),
        ("debug,attribute_timeout=0.5,deadline=10", Settings(debug=True, attribute_timeout=0.5, deadline=10.0)),
        ("write_mode=async,zone=Europe/Zurich", Settings(write_mode="async", zone="Europe/Zurich")),
        ("zone=UTC+02:00", Settings(zone="UTC+02:00")),
    ],
)
def test_options_as_mount_takes_them(text: str, wanted: Settings) -> None:
    assert options_from_text(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("nosuch", "nosuch=1", "client_secret=x", "ro=yes", "zone", "zone=", "write_mode=never"),
        *("uid", "uid=me", "uid=-1", "umask=999", "umask=1777"),
        *("cache_size=1.5G", "cache_reserve=much", "cache_size=-1"),
        *("attribute_timeout=soon", "attribute_timeout=nan", "deadline=-1"),
        *("zone=Mars/X", "zone=../etc/passwd", "zone=Europe"),
    ],
)
def test_an_option_that_is_unknown_or_wrong_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=text.split("=")[0]):
        options_from_text(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("attribute_timeout=abc", "a number of seconds is wanted"),
        ("uid=me", "a number is wanted"),
        ("umask=rwx", "an octal mode is wanted, as 022"),
        ("zone=Mars/X", "no such time zone; one is wanted as Europe/Zurich"),
    ],
)
def test_a_wrong_value_is_told_what_is_wanted(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options_from_text(text)
    assert str(caught.value) == f"-o {text}: {wanted}"
    assert "settings.md" in caught.value.cure


PROFILE = """
[profiles.daint]
url = "https://api.example.org/v2"
token_url = "https://auth.example.org/token"
client_id = "me"
client_secret_env = "DAINT_SECRET"
system = "daint"
path = "/scratch/me"
api_version = 2
account = "c1"
options = { read_only = true, attribute_timeout = 10, umask = "077", uid = 5 }

[profiles.by-browser]
url = "https://api.example.org"
token_command = "get-token"
"""


def write(directory: Path, text: str, mode: int = 0o644) -> Path:
    file = directory / "config.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_profile_is_read(tmp_path: Path) -> None:
    read = read_profile("daint", write(tmp_path, PROFILE), {"DAINT_SECRET": "s3"})
    assert read == Settings(
        url="https://api.example.org/v2",
        token_url="https://auth.example.org/token",
        client_id="me",
        client_secret="s3",
        system="daint",
        path="/scratch/me",
        api_version="2",
        account="c1",
        read_only=True,
        attribute_timeout=10.0,
        umask=0o77,
        uid=5,
    )


def test_a_secret_file_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    read = profile_settings({"client_secret_file": "daint.secret"}, tmp_path, {})
    assert read.client_secret_file == tmp_path / "daint.secret"


def test_a_profile_that_is_absent_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="by-browser, daint"):
        read_profile("eiger", write(tmp_path, PROFILE), {})
    with pytest.raises(ConfigError, match="there is no"):
        read_profile("eiger", tmp_path / "absent.toml", {})


def test_a_configuration_with_a_secret_must_be_private(tmp_path: Path) -> None:
    text = '[profiles.a]\nurl = "https://x"\n[profiles.b]\nclient_secret = "s"\n'
    with pytest.raises(ConfigError, match="others can read it"):
        read_profile("a", write(tmp_path, text), {})
    assert read_profile("b", write(tmp_path, text, 0o600), {}).client_secret == "s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[profiles.a]\nurll = 'x'", "unknown setting urll"),
        ("[profiles.a]\nurl = 5", "url is not text"),
        ("[profiles.a]\noptions = { fast = true }", "unknown option fast"),
        ("[profiles.a]\noptions = 5", "options is not a table"),
        ("[profiles.a]\napi_version = 3", "API version"),
        ("[profiles]\na = 5", "not a table"),
        ("profiles = 5", "profiles is not a table"),
        ("[profiles.a", "config.toml"),
        ("[profiles.a]\nclient_secret_file = 'x'\nclient_secret_env = 'Y'", "more than one of"),
    ],
)
def test_a_mistake_in_a_configuration_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_profile("a", write(tmp_path, text), {})


def test_a_profile_that_is_written_again_keeps_what_is_not_said(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        'default = "a"\n\n[profiles.a]\nurl = "https://x"\nclient_id = "old"\nclient_secret_file = "s"\n'
        'system = "daint"\npath = "/scratch/me"  # mine\naccount = "p1"\nproxy = "http://p"\n'
        '\n[profiles.a.options]\ncache_size = "5G"\n\n[profiles.b]\nurl = "https://y"\n'
    )
    again = {"url": "https://x", "token_command": "t", "system": "daint", "account": "p2", "api_version": "2"}
    assert write_profile(file, "a", again, default=False) == ["proxy", "options", "path"]
    here = {**again, "path": "/scratch/me", "proxy": "http://p", "options": {"cache_size": "5G"}}
    assert read_profiles(file) == ({"a": here, "b": {"url": "https://y"}}, "a")
    assert "# mine" in file.read_text()
    # Paths and accounts are those of one system, and all of it is of one site.
    assert write_profile(file, "a", {**again, "proxy": "", "system": "eiger"}, default=False) == ["options"]
    there = {**again, "system": "eiger", "options": {"cache_size": "5G"}}
    assert read_profiles(file)[0]["a"] == there
    assert write_profile(file, "a", {"url": "https://z", "system": "eiger"}, default=False) == []
    assert read_profiles(file)[0]["a"] == {"url": "https://z", "system": "eiger"}
