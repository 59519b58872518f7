"""Where settings come from besides the command line: the environment, and profiles in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from f7tfs.config.options import api_version, options_from_table
from f7tfs.config.private import ConfigError, require_private
from f7tfs.config.settings import Settings, merge

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


_HINT = "f7tfs profiles lists them, f7tfs login makes one; a system is written SYSTEM:/path"


def config_file() -> Path:
    """Where the profiles are."""
    return platformdirs.user_config_path("f7tfs") / "config.toml"


def read_profile(name: str, file: Path, environment: Mapping[str, str]) -> Settings:
    """One profile of a TOML file. Raises ConfigError when it is not there or not right."""
    try:
        text = file.read_text(encoding="utf-8")
        profiles = tomllib.loads(text).get("profiles", {})
    except FileNotFoundError:
        raise ConfigError(f"no profile {name!r}: there is no {file}", _HINT) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if not isinstance(profiles, dict) or name not in profiles:
        known = ", ".join(sorted(profiles)) if isinstance(profiles, dict) else ""
        raise ConfigError(f"no profile {name!r} in {file} (there: {known or 'none'})", _HINT)
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
    texts = {"url", "token_url", "client_id", "token_command", "system", "path", "account"}
    if unknown := sorted(set(table) - texts):
        raise ConfigError(f"unknown setting {unknown[0]}")
    if wrong := sorted(name for name, value in table.items() if not isinstance(value, str)):
        raise ConfigError(f"{wrong[0]} is not text")
    said = replace(secret, **table, api_version=None if version is None else api_version(str(version)))
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
