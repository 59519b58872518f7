"""`f7tfs profiles`: what `f7tfs login` wrote."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import show_json, show_record, show_table, tell
from f7tfs.config import ConfigError, config_file, read_profile, read_profiles
from f7tfs.config.profiles import remove_profile, secrets_directory, set_default
from f7tfs.log import redact

Name = Annotated[str, typer.Argument(metavar="PROFILE", help="Its name.")]

profiles = typer.Typer(help="List, show, choose and remove the profiles of f7tfs login.", no_args_is_help=False)


@profiles.callback(invoke_without_command=True)
def _callback(context: typer.Context, as_json: Json = False) -> None:
    """List the profiles; with a command: show, choose or remove one."""
    if context.invoked_subcommand is None:
        list_profiles(as_json=as_json)


@profiles.command("list")
def list_profiles(as_json: Json = False) -> None:
    """List the profiles, the default one marked."""
    known, default = read_profiles(config_file())
    if as_json:
        show_json([{"name": name, "default": name == default, **_safe(each)} for name, each in known.items()])
        return
    rows = [
        (
            name,
            f"{each.get('system', '')}:{each.get('path', '')}",
            _way(each),
            "default" if name == default else "",
            each.get("url", ""),
            f"v{each['api_version']}" if "api_version" in each else "",
        )
        for name, each in known.items()
    ]
    show_table(
        ("profile", "mounts", "log-in", "", "site", "API"), rows, empty="there are no profiles; f7tfs login makes one"
    )


@profiles.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show what a profile says, without its secret."""
    read_profile(name, config_file(), os.environ)
    table = _safe(read_profiles(config_file())[0][name])
    if as_json:
        show_json({"name": name, **table})
    else:
        show_record(name, table)


@profiles.command("default")
def default(name: Name) -> None:
    """Make a profile the default one: it holds where neither a profile nor a URL is named."""
    set_default(config_file(), name)


@profiles.command("remove")
def remove(name: Name) -> None:
    """Remove a profile, and its secret where no other profile uses it."""
    table = remove_profile(config_file(), name)
    others = read_profiles(config_file())[0].values()
    if not any(_secret_of(other) == _secret_of(table) for other in others if isinstance(other, dict)):
        _forget(table)


def _forget(table: dict[str, Any]) -> None:
    # It loads what the keyring needs.
    from f7tfs.config import secret_name
    from f7tfs.config.secrets import SecretFiles

    directory = secrets_directory(config_file())
    name = secret_name(str(table.get("client_id")), str(table.get("token_url")))
    if table.get("keyring"):
        from f7tfs.firecrest.keyring import Keyring

        try:
            Keyring().forget(name)
        except Exception as error:  # noqa: BLE001 - any back end's; the profile has gone, and that is said
            tell(f"its secret is still in the keyring: {error}")
        return
    SecretFiles(directory).forget(name)


def _secret_of(table: dict[str, Any]) -> tuple[object, ...]:
    return table.get("client_id"), table.get("token_url")


def _way(table: dict[str, Any]) -> str:
    if "token_command" in table:
        return "token command"
    return "browser" if "device_url" in table else "client"


def _safe(table: object) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigError("a profile is not a table", "a profile begins with [profiles.NAME]")
    # A proxy's URL may hold a password.
    shown = {key: redact(value) if isinstance(value, str) else value for key, value in table.items()}
    return shown | ({"client_secret": "(hidden)"} if "client_secret" in table else {})
