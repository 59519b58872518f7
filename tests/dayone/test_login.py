"""`f7tfs login` in all three ways, what it shows and what it writes; `f7tfs profiles`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from f7tfs.config import read_profile
from f7tfs.config.secrets import SecretFiles
from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import Provider, User, log_in, site_options
from tests.dayone.terminal import converse


@pytest.mark.parametrize("api", ["v2", "v1"])
def test_a_client_secret_is_checked_and_kept_in_a_private_file(user: User, sandbox: SandboxProcess, api: str) -> None:
    info = sandbox.info
    options = (*site_options(sandbox, api), "--client-id", info.client_id)
    found = user("login", "here", *options, typed=f"{info.client_secret}\n")
    assert found.returncode == 0, found.stderr
    for told in (info.system, "healthy", "/home", "/scratch", "user on cluster", "MiB"):
        assert told in found.stdout
    if api == "v2":
        # v1 tells nobody's accounts.
        assert "users staff" in found.stdout
    assert info.client_secret not in found.stdout + found.stderr + user.config.read_text()
    profile = read_profile("here", user.config, {})
    assert profile.client_secret_file is not None
    assert profile.client_secret_file.read_text().strip() == info.client_secret
    assert profile.client_secret_file.stat().st_mode & 0o777 == 0o600
    assert user.config.stat().st_mode & 0o777 == 0o600
    assert profile.api_version == api.removeprefix("v")


def test_a_profile_is_mounted_by_its_name_and_the_default_one_by_none(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    (sandbox.home / "hello").write_text("from the cluster")
    place = user.directory("mnt")
    user.done("mount", "here", str(place))
    assert (place / "hello").read_text() == "from the cluster"
    user.done("umount", str(place))
    # It is the first profile, so it is the default one.
    user.done("mount", "cluster:/scratch", str(place))
    assert (place / "user").is_dir()
    user.done("umount", str(place))
    # The environment stands above it.
    what, _ = user.refused("mount", "cluster:", str(place), FIRECREST_CLIENT_ID="x", FIRECREST_CLIENT_SECRET="y")
    assert "does not accept the credentials" in what


def test_a_token_command_is_written_as_it_was_given(user: User, sandbox: SandboxProcess) -> None:
    (user.home / "token").write_text(sandbox.token())
    command = f"cat {user.home}/token"
    user.done("login", "cmd", "--site", sandbox.info.url_v2, "--token-command", command)
    assert read_profile("cmd", user.config, {}).token_command == command
    place = user.directory("mnt")
    user.done("mount", "cmd", str(place))
    user.done("umount", str(place))


def test_a_login_in_a_browser_is_remembered_by_its_refresh_token(
    user: User, sandbox: SandboxProcess, provider: Provider
) -> None:
    options = ("--site", sandbox.info.url_v2, "--token-url", provider.issuer, "--client-id", "f7tfs", "--browser")
    found = user("login", "web", *options)
    assert found.returncode == 0, found.stderr
    assert "open https://login in a browser and enter the code WXYZ" in found.stderr
    assert provider.forms[0] == {"client_id": "f7tfs", "scope": "openid offline_access"}
    secrets = SecretFiles(user.config.parent / "secrets")
    assert secrets.get(f"f7tfs@{provider.issuer}/token") == "refresh-0"

    provider.forms.clear()
    place = user.directory("mnt")
    user.done("mount", "web", str(place))
    user.done("umount", str(place))
    assert [form["grant_type"] for form in provider.forms] == ["refresh_token"]
    # When the provider has ended the login, nobody waits for a code that no one sees.
    provider.refresh_tokens.clear()
    what, cure = user.refused("mount", "web", str(place))
    assert "the login in the browser has ended" in what
    assert "f7tfs login" in cure


def test_secrets_go_into_a_keyring_where_there_is_one(
    user: User, sandbox: SandboxProcess, keyring_file: Callable[[], dict[str, str]]
) -> None:
    user.environment = keyring_file()
    log_in(user, sandbox)
    assert sandbox.info.client_secret in (user.home / "keyring.json").read_text()
    assert not (user.config.parent / "secrets").exists()
    assert read_profile("here", user.config, {}).keyring
    place = user.directory("mnt")
    user.done("mount", "here", str(place))
    user.done("umount", str(place))
    user.done("profiles", "remove", "here")
    assert sandbox.info.client_secret not in (user.home / "keyring.json").read_text()
    log_in(user, sandbox, "here")
    (user.home / "keyring.json").write_text("{}")
    what, cure = user.refused("mount", "here", str(place))
    assert "the keyring has no secret" in what
    assert "f7tfs login" in cure


def test_what_cannot_work_is_refused_and_nothing_is_written(user: User, sandbox: SandboxProcess) -> None:
    info = sandbox.info
    right = f"{info.client_secret}\n"
    client = ("--client-id", info.client_id)
    (sandbox.home / "file").touch()
    cases: list[tuple[tuple[str, ...], str, str]] = [
        (("--site", "nowhere"), "", "no site 'nowhere' is known"),
        ((*site_options(sandbox), *client), "wrong-secret\n", f"{info.token_url} does not accept the credentials"),
        ((*site_options(sandbox), *client, "--path", "/home/user/none"), right, "none: no such directory"),
        ((*site_options(sandbox), *client, "--path", "/home/user/file"), right, "file: not a directory"),
        ((*site_options(sandbox), *client, "--path", "home"), right, "not an absolute path"),
        ((*site_options(sandbox), *client), "", "the client secret is empty"),
        ((*site_options(sandbox), *client, "--system", "daint"), right, "the site has no system 'daint'"),
        (("--site", f"http://127.0.0.1:{info.port}/v9", *site_options(sandbox)[2:], *client), right, "no FirecREST"),
        (("--site", "http://127.0.0.1:9", *site_options(sandbox)[2:], *client), right, "cannot reach"),
        (("--site", info.url_v2, "--token-url", info.url_v2, *client), right, "no OpenID configuration"),
        ((*site_options(sandbox), *client, "--browser"), "", "offers no login in a browser"),
        (("--site", info.url_v2, "--token-command", "false"), "", "token command failed"),
        (("--site", info.url_v2, *client), right, "--token-url"),
        (("a/b", *site_options(sandbox), *client), right, "cannot name a profile"),
        ((*site_options(sandbox), *client, "--ca-file", "absent.pem"), right, "no certificates in absent.pem"),
    ]
    for options, typed, said in cases:
        assert said in " ".join(user.refused("login", *options, typed=typed)), options
    assert not user.config.exists()
    assert not (user.config.parent / "secrets").exists()


def test_on_a_terminal_everything_is_asked_for(user: User, sandbox: SandboxProcess) -> None:
    info = sandbox.info
    exchanges = [
        ("site (one of", f"{info.url_v2}\n"),
        ("log in by", "client\n"),
        ("identity provider", f"{info.token_url}\n"),
        ("client id", f"{info.client_id}\n"),
        ("client secret: ", f"{info.client_secret}\n"),
    ]
    code, shown = converse(["login"], user.env(), user.home, exchanges)
    assert code == 0, shown
    assert "system   state" in shown.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert info.client_secret not in shown
    assert read_profile("cluster", user.config, {}).url == info.url_v2


def test_profiles_are_listed_shown_chosen_and_removed(user: User, sandbox: SandboxProcess) -> None:
    assert user("profiles").stderr == "there are no profiles; f7tfs login makes one\n"
    user.config.parent.mkdir(parents=True)
    user.config.write_text("# mine\n")
    log_in(user, sandbox, "one")
    log_in(user, sandbox, "two", "--path", "/scratch")
    url = sandbox.info.url_v2
    assert user.done("profiles").splitlines() == [
        f"one\tcluster:\tclient\tdefault\t{url}\tv2",
        f"two\tcluster:/scratch\tclient\t\t{url}\tv2",
    ]
    assert [(each["name"], each["default"]) for each in user.json("profiles")] == [("one", True), ("two", False)]
    assert user.json("profiles", "show", "two")["path"] == "/scratch"
    assert "two" in user.done("profiles", "show", "two")
    user.done("profiles", "default", "two")
    assert user.json("profiles", "list")[1]["default"]
    user.done("profiles", "remove", "two")
    # The other one still needs the secret.
    assert len(list((user.config.parent / "secrets").iterdir())) == 1
    user.done("profiles", "remove", "one")
    assert list((user.config.parent / "secrets").iterdir()) == []
    assert "# mine" in user.config.read_text()
    assert "no profile 'one'" in user.refused("profiles", "remove", "one")[0]


def test_proxy_and_certificates_are_written_and_used(user: User, sandbox: SandboxProcess) -> None:
    certificates = user.home / "ca.pem"
    certificates.write_text("nonsense")
    info = sandbox.info
    options = (*site_options(sandbox), "--client-id", info.client_id)
    # Nobody is at that port, so a login that uses the proxy cannot work.
    what, _ = user.refused("login", *options, "--proxy", "http://127.0.0.1:9", typed="secret\n")
    assert "cannot" in what or "does not answer" in what
    log_in(user, sandbox, "here")
    text = user.config.read_text().replace('system = "cluster"', 'system = "cluster"\nproxy = "http://127.0.0.1:9"')
    user.config.write_text(text)
    assert "cannot reach" in user.refused("mount", "here", str(user.directory("mnt")))[0]


def test_the_profile_of_the_environment_is_taken(user: User, sandbox: SandboxProcess, tmp_path: Path) -> None:
    log_in(user, sandbox, "one")
    log_in(user, sandbox, "two", "--default")
    user.config.write_text(user.config.read_text().replace("[profiles.one]", "[profiles.one]\naccount = 5"))
    what, _ = user.refused("mount", "cluster:", str(user.directory("mnt")), F7TFS_PROFILE="one")
    assert "account is not text" in what


def test_a_profile_before_the_colon_is_mounted_at_another_path(user: User, sandbox: SandboxProcess) -> None:
    """Its name is not the system's: the system is the profile's own."""
    log_in(user, sandbox, "here", "--path", "/scratch")
    (sandbox.home / "hello").write_text("from the cluster")
    place = user.directory("mnt")
    for target, remote in [
        ("here:/home/user", "cluster:/home/user"),
        ("here:", "cluster:/home/user"),
        ("here:/", "cluster:/"),
        ("here", "cluster:/scratch"),
    ]:
        user.done("mount", target, str(place))
        assert user.json("status", str(place))["remote"] == remote
        if target == "here:":
            # Other commands know it by the same name.
            user.done("cp", "here:/home/user/hello", str(user.home / "copied"))
            user.done("wait", "here:/home/user/hello")
        user.done("umount", str(place))
    assert (user.home / "copied").read_text() == "from the cluster"
    assert {each["check"]: each["state"] for each in user.json("doctor", "here:/", "--quick")}["root"] == "ok"


def test_a_profile_that_the_environment_puts_aside_is_named(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    place = user.directory("mnt")
    for target in ("here:", "cluster:"):
        what, cure = user.refused("mount", target, str(place), FIRECREST_URL="http://127.0.0.1:9")
        assert "missing settings: FIRECREST_CLIENT_ID" in what
        assert "FIRECREST_URL puts the profile 'here' aside" in what
        assert "unset FIRECREST_URL" in cure
    what, cure = user.refused("mount", "here:", str(place), "--url", "http://127.0.0.1:9")
    assert "--url puts the profile 'here' aside" in what
    assert "leave --url out" in cure
    what, cure = user.refused("mount", "blub:", str(place))
    assert "no system 'blub' at this site; it has: cluster; there is no profile 'blub' either" in what
    assert "a profile: here" in cure


def test_what_stands_before_the_colon_is_a_profile_before_it_is_a_system(user: User, sandbox: SandboxProcess) -> None:
    """A profile whose name is a system's, but whose own system is another one, shows which is meant."""
    log_in(user, sandbox, "good")
    text = user.config.read_text()
    misleading = text.partition("[profiles.good]")[2].replace('"cluster"', '"elsewhere"')
    user.config.write_text(f"{text}\n[profiles.cluster]{misleading}")
    place, info = user.directory("mnt"), sandbox.info
    assert "no system 'elsewhere'" in user.refused("mount", "cluster:/scratch", str(place))[0]
    assert (
        "no system 'elsewhere'" in user.refused("mount", "cluster:/scratch", str(place), FIRECREST_URL=info.url_v2)[0]
    )
    # Another profile, or another site, makes a system of it.
    user.done("mount", "--profile", "good", "cluster:/scratch", str(place))
    user.done("umount", str(place))
    user.environment = {
        "FIRECREST_URL": info.url_v1,
        "AUTH_TOKEN_URL": info.token_url,
        "FIRECREST_CLIENT_ID": info.client_id,
        "FIRECREST_CLIENT_SECRET": info.client_secret,
    }
    user.done("mount", "cluster:/scratch", str(place))
    user.done("umount", str(place))


def test_a_login_to_the_same_site_again_keeps_what_was_set_by_hand(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox, "here", "--path", "/scratch/user", "--account", "staff")
    user.config.write_text(user.config.read_text() + '\n[profiles.here.options]\ncache_size = "5G"\n')
    log_in(user, sandbox)
    profile = read_profile("here", user.config, {})
    assert (profile.path, profile.account, profile.cache_size) == ("/scratch/user", "staff", 5 * 2**30)
    log_in(user, sandbox, "here", "--path", "")
    assert read_profile("here", user.config, {}).path is None
    # The kept proxy is gone through by the login itself: nobody is at that port.
    user.config.write_text(user.config.read_text().replace('"staff"', '"staff"\nproxy = "http://127.0.0.1:9"'))
    options = (*site_options(sandbox), "--client-id", sandbox.info.client_id)
    user.refused("login", "here", *options, typed=f"{sandbox.info.client_secret}\n")
    log_in(user, sandbox, "here", "--proxy", "")
    assert read_profile("here", user.config, {}).proxy is None
