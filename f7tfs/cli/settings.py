"""Which settings hold: flags over the environment over a profile."""

from __future__ import annotations

import os
from dataclasses import replace

from f7tfs.config import (
    ConfigError,
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
    layers = [replace(flags, system=target.system), from_environment(os.environ)]
    name = target.profile or profile or default_profile(layers)
    if name:
        layers.append(read_profile(name, config_file(), os.environ))
    settings = merge(*layers)
    if target.profile:
        # A profile as the target is the whole target: its system too, whatever FIRECREST_SYSTEM is.
        system = layers[-1].system or settings.system
        return resolve(replace(settings, system=system), parse_path(layers[-1].path or ""))
    return resolve(settings, target.path)


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
