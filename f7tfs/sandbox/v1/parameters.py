"""Reading a request of v1: the machine, forms and queries, and the check of what may be in a name."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.requests import Request

from f7tfs.sandbox.quoting import V1_FORBIDDEN, collapsed
from f7tfs.sandbox.settings import SandboxSettings
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.envelope import ApiError, refused

TRUE = {"true", "yes", "1"}


def check_machine(site: Site, request: Request, operation: str, *, plural: bool = False) -> None:
    """The machine must be named and known; and the user must have an account there.

    `plural` is the spelling of the storage and compute services.
    """
    machine = request.headers.get("x-machine-name")
    if machine is None:
        raise ApiError(400, {"description": "No machine name given"})
    down = machine in site.settings.down_systems or site.faults.unhealthy
    if machine != site.settings.system and machine not in site.settings.down_systems:
        text = "Machine does not exists" if plural else "Machine does not exist"
        name = "X-Machine-Does-Not-Exists" if plural else "X-Machine-Does-Not-Exist"
        raise refused(operation, text, {name: text})
    if down:
        raise refused(operation, "Connection refused", {"X-Error": "Connection refused"})
    if request.state.user != site.settings.user:
        text = "Authentication failed: transport shut down or saw EOF"
        raise refused(operation, text, {"X-Error": text})


async def form_values(request: Request) -> dict[str, str]:
    """The plain fields of a form; query parameters do not count."""
    form = await request.form()
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


def checked(values: Mapping[str, str], name: str, operation: str) -> str:
    """A value that must be there and hold no forbidden character."""
    value = values.get(name)
    if value is None:
        raise refused(operation, f"'{name}' not specified")
    if not value:
        raise refused(operation, f"'{name}' is empty")
    if V1_FORBIDDEN.search(value):
        raise refused(operation, f"'{name}' has invalid char")
    return value


def cluster_path(settings: SandboxSettings, value: str) -> str:
    """The path that the command gets: blanks collapsed, relative to the home directory."""
    path = collapsed(value)
    return path if path.startswith("/") else f"{settings.work_dir}/{path}"


def path_of(site: Site, values: Mapping[str, str], name: str, operation: str) -> str:
    return cluster_path(site.settings, checked(values, name, operation))


def flag(values: Mapping[str, str], name: str) -> bool:
    return values.get(name, "").lower() in TRUE


def environment_of(given: object) -> dict[str, str]:
    """Of the form's `env`, an object of JSON. Raises ApiError for anything else."""
    if not given:
        return {}
    try:
        told = json.loads(str(given))
        return {str(name): str(value) for name, value in told.items()}
    except (ValueError, AttributeError):
        raise ApiError(400, {"description": "Failed to submit job", "error": "env is not a JSON object"}) from None
