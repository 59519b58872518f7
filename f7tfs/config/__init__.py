"""Settings: flags over environment over profile over defaults.

Each source is read into a `Settings`, whose fields are None where the source says nothing. `merge` puts them on top
of each other, and `resolve` makes of the result what a mount needs, or says in one line what is missing.
"""

from f7tfs.config.credentials import BrowserLogin, ClientCredentials, Credentials, TokenCommand, secret_name
from f7tfs.config.layer import WRITE_MODES, Settings, WriteMode
from f7tfs.config.options import api_version, options_from_table, options_from_text
from f7tfs.config.private import ConfigError
from f7tfs.config.profiles import config_file, read_profiles, secrets_directory
from f7tfs.config.settings import MissingSettings, MountOptions, MountSettings, merge, resolve
from f7tfs.config.sources import from_environment, read_profile

__all__ = [
    "WRITE_MODES",
    "BrowserLogin",
    "ClientCredentials",
    "ConfigError",
    "Credentials",
    "MissingSettings",
    "MountOptions",
    "MountSettings",
    "Settings",
    "TokenCommand",
    "WriteMode",
    "api_version",
    "config_file",
    "from_environment",
    "merge",
    "options_from_table",
    "options_from_text",
    "read_profile",
    "read_profiles",
    "resolve",
    "secret_name",
    "secrets_directory",
]
