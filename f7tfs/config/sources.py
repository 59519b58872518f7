"""Where settings come from besides the command line: the environment, and profiles in a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from f7tfs.config.layer import Settings
from f7tfs.config.options import api_version, options_from_table
from f7tfs.config.private import ConfigError, require_private
from f7tfs.config.profiles import HINT, read_profiles
from f7tfs.config.settings import merge

_ENVIRONMENT = {
    "FIRECREST_URL": "url",
    "AUTH_TOKEN_URL": "token_url",
    "FIRECREST_CLIENT_ID": "client_id",
    "FIRECREST_CLIENT_SECRET": "client_secret",
    "FIRECREST_TOKEN_COMMAND": "token_command",
    "FIRECREST_SYSTEM": "system",
    "FIRECREST_ACCOUNT": "account",
}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Settings from the variables that pyFirecREST's command line has too. Empty ones count as not set."""
    chosen: dict[str, Any] = {
        name: environment[variable] for variable, name in _ENVIRONMENT.items() if environment.get(variable)
    }
    if version := environment.get("FIRECREST_API_VERSION"):
        chosen["api_version"] = api_version(version)
    return Settings(**chosen)


def read_profile(name: str, file: Path, environment: Mapping[str, str]) -> Settings:
    """One profile of a TOML file. Raises ConfigError when it is not there or not right."""
    profiles, _ = read_profiles(file)
    if name not in profiles:
        there = f"there: {', '.join(sorted(profiles)) or 'none'}" if file.exists() else "there is no such file"
        raise ConfigError(f"no profile {name!r} in {file} ({there})", HINT)
    if any(isinstance(profile, dict) and "client_secret" in profile for profile in profiles.values()):
        require_private(file)
    try:
        return profile_settings(profiles[name], file.parent, environment)
    except ConfigError as error:
        raise ConfigError(f"profile {name!r} in {file}: {error}", error.cure) from None


def profile_settings(profile: object, directory: Path, environment: Mapping[str, str]) -> Settings:
    """Settings from a profile's table; a relative `client_secret_file` is below `directory`."""
    if not isinstance(profile, dict):
        raise ConfigError("it is not a table")
    table = dict(profile)
    options = table.pop("options", {})
    if not isinstance(options, dict):
        raise ConfigError("options is not a table")
    secret = _profile_secret(table, directory, environment)
    version = table.pop("api_version", None)
    keyring, ca_file = table.pop("keyring", None), table.pop("ca_file", None)
    if not isinstance(keyring, bool | None):
        raise ConfigError("keyring is neither true nor false")
    texts = {"url", "token_url", "device_url", "client_id", "token_command", "system", "path", "account", "proxy"}
    if unknown := sorted(set(table) - texts):
        raise ConfigError(f"unknown setting {unknown[0]}")
    if wrong := sorted(name for name, value in table.items() if not isinstance(value, str)):
        raise ConfigError(f"{wrong[0]} is not text")
    said = replace(
        secret,
        **table,
        keyring=keyring or None,
        ca_file=None if ca_file is None else directory / Path(str(ca_file)).expanduser(),
        api_version=None if version is None else api_version(str(version)),
    )
    return merge(said, options_from_table(options))


def _profile_secret(table: dict[str, Any], directory: Path, environment: Mapping[str, str]) -> Settings:
    inline, file, variable = (table.pop(f"client_secret{kind}", None) for kind in ("", "_file", "_env"))
    if sum(value is not None for value in (inline, file, variable)) > 1:
        raise ConfigError("more than one of client_secret, client_secret_file and client_secret_env", "keep one")
    if variable is not None:
        return Settings(client_secret=environment.get(str(variable)))
    if file is not None:
        return Settings(client_secret_file=directory / Path(str(file)).expanduser())
    return Settings(client_secret=None if inline is None else str(inline))
