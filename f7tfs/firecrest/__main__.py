"""A first call: `python -m f7tfs.firecrest` lists the systems of a site, told by pyFirecREST's environment variables.

FIRECREST_URL; FIRECREST_CLIENT_ID, FIRECREST_CLIENT_SECRET and AUTH_TOKEN_URL, or FIRECREST_TOKEN_COMMAND;
FIRECREST_API_VERSION where it is 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import f7tfs.firecrest as f7t

_NEEDED = (
    "set FIRECREST_URL, and FIRECREST_CLIENT_ID, FIRECREST_CLIENT_SECRET and AUTH_TOKEN_URL, "
    "or FIRECREST_TOKEN_COMMAND"
)


def authorization(environment: Mapping[str, str]) -> f7t.ClientCredentialsAuth | f7t.TokenCommandAuth:
    """Raises KeyError for a variable that is missing."""
    if command := environment.get("FIRECREST_TOKEN_COMMAND"):
        return f7t.TokenCommandAuth(command)
    return f7t.ClientCredentialsAuth(
        environment["FIRECREST_CLIENT_ID"], environment["FIRECREST_CLIENT_SECRET"], environment["AUTH_TOKEN_URL"]
    )


def systems(environment: Mapping[str, str]) -> list[str]:
    """The names of a site's systems."""
    url, token = environment["FIRECREST_URL"], authorization(environment)
    if environment.get("FIRECREST_API_VERSION", "2").lstrip("vV").startswith("1"):
        with f7t.v1.Firecrest(url, token) as one:
            return [system["system"] for system in one.all_systems()]
    with f7t.v2.Firecrest(url, token) as two:
        return [system["name"] for system in two.systems()]


def main() -> int:
    """The exit status: 2 for a variable that is missing, 1 for a site that does not answer."""
    try:
        print(*systems(os.environ), sep="\n")  # noqa: T201 - that is what it is for
    except KeyError as missing:
        print(f"{missing.args[0]} is missing: {_NEEDED}", file=sys.stderr)  # noqa: T201
        return 2
    except f7t.FirecrestException as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
