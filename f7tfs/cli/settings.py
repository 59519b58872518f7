"""Which settings hold: flags over the environment over a profile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from f7tfs.config import (
    ConfigError,
    MissingSettings,
    MountSettings,
    Settings,
    config_file,
    from_environment,
    merge,
    read_profile,
    read_profiles,
    resolve,
)
from f7tfs.mount.target import Target, parse_path


def gather(target: Target, flags: Settings, profile: str | None) -> MountSettings:
    """Settings for a target: flags over the environment over the named profile, or the default one."""
    layers = [flags, from_environment(os.environ)]
    named = target.profile or profile_before_colon(target.system, layers, profile)
    name = named or profile or default_profile(layers)
    if name:
        layers.append(read_profile(name, config_file(), os.environ))
    settings = merge(*layers)
    if named is None:
        settings = replace(settings, system=target.system or settings.system)
        try:
            return resolve(settings, target.path)
        except MissingSettings as error:
            raise _with_what_is_aside(error, target, layers, name) from None
    # The name of a profile stands for its system, whatever FIRECREST_SYSTEM is.
    settings = replace(settings, system=layers[-1].system or settings.system or target.system)
    return resolve(settings, parse_path(layers[-1].path or "") if target.profile else target.path)


def _with_what_is_aside(
    error: MissingSettings, target: Target, layers: Sequence[Settings], name: str | None
) -> ConfigError:
    """The same error, with the profile that would have had the settings, and what put it aside."""
    profiles, default = read_profiles(config_file())
    aside = target.system if target.system in profiles else default
    if name is not None or aside not in profiles:
        return error
    flags, _environment = layers
    source, leave = ("--url", "leave --url out") if flags.url else ("FIRECREST_URL", "unset FIRECREST_URL")
    return ConfigError(
        f"{source} puts the profile {aside!r} aside, with its site and its credentials; {error}",
        f"{leave} to use the profile; or set these variables too",
    )


def profile_before_colon(name: str | None, layers: Sequence[Settings], chosen: str | None) -> str | None:
    """The profile that `NAME:/path` means; none where NAME is a system.

    A profile of that name is meant rather than a system, unless another profile is chosen (`--profile`), or flags or
    the environment name another site.
    """
    if name is None or chosen not in (None, name):
        return None
    profile = read_profiles(config_file())[0].get(name)
    if profile is None:
        return None
    url = next((layer.url for layer in layers if layer.url), None)
    theirs = profile.get("url") if isinstance(profile, dict) else None
    return name if url is None or url.rstrip("/") == str(theirs).rstrip("/") else None


def default_profile(layers: list[Settings]) -> str | None:
    """The profile that holds where none is named; none where flags or environment name a site already.

    Credentials of one site would else go to another.
    """
    if any(layer.url for layer in layers):
        return None
    profiles, default = read_profiles(config_file())
    if default is not None and default not in profiles:
        raise ConfigError(
            f"the default profile {default!r} is not in {config_file()}",
            "f7tfs profiles default NAME",
        )
    return default
