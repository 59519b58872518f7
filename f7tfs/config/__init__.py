"""Settings: flags over environment over profile over defaults.

Each source is read into a `Settings`, whose fields are None where the source says nothing. `merge` puts them on top
of each other, and `resolve` makes of the result what a mount needs, or says in one line what is missing.
"""

from f7tfs.config.options import api_version, options_from_text
from f7tfs.config.private import ConfigError
from f7tfs.config.settings import (
    WRITE_MODES,
    ClientCredentials,
    MountOptions,
    MountSettings,
    Settings,
    TokenCommand,
    WriteMode,
    merge,
    resolve,
)
from f7tfs.config.sources import config_file, from_environment, read_profile

__all__ = [
    "WRITE_MODES",
    "ClientCredentials",
    "ConfigError",
    "MountOptions",
    "MountSettings",
    "Settings",
    "TokenCommand",
    "WriteMode",
    "api_version",
    "config_file",
    "from_environment",
    "merge",
    "options_from_text",
    "read_profile",
    "resolve",
]
