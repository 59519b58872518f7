"""Reading a request of v2: query parameters, JSON bodies, and the check of the path."""

from __future__ import annotations

import json
import posixpath
from typing import Any

from starlette.requests import Request

from f7tfs.sandbox.bench import CLOSE_SCOPE_KEY
from f7tfs.sandbox.quoting import single_quoted
from f7tfs.sandbox.settings import SandboxSettings
from f7tfs.sandbox.v2.envelope import ApiError, invalid

TRUE = {"true", "1", "yes", "on", "t", "y"}
FALSE = {"false", "0", "no", "off", "f", "n"}
NO_PATH = "Unable to decode request and retreive the required path or source_path parameter."


def query_bool(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "false").lower()
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise invalid("query", name, "Input should be a valid boolean, unable to interpret input", value, "bool_parsing")


def query_int(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        text = "Input should be a valid integer, unable to parse string as an integer"
        raise invalid("query", name, text, value, "int_parsing") from None


def camel_keys(value: Any) -> Any:
    """A body with its keys in camelCase: the server takes snake_case too. What is in `env` is the user's own."""
    if not isinstance(value, dict):
        return value
    return {camel(k): v if k == "env" else camel_keys(v) for k, v in value.items()}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


async def json_body(request: Request) -> dict[str, Any]:
    try:
        body = camel_keys(json.loads(await request.body()))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid("body", "0", "JSON decode error")
    return body


def required(body: dict[str, Any], name: str) -> str:
    """A string that the body must have."""
    value = body.get(name)
    if value is None:
        raise invalid("body", name, "Field required")
    if not isinstance(value, str):
        raise invalid("body", name, "Input should be a valid string", value)
    return value


def flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    return value if isinstance(value, bool) else str(value).lower() in TRUE


def compression(body: dict[str, Any]) -> str:
    """One of none, bzip2, gzip, xz."""
    kind = body.get("compression", "gzip")
    if kind not in {"none", "bzip2", "gzip", "xz"}:
        raise invalid("body", "compression", "Input should be 'none', 'bzip2', 'gzip' or 'xz'", kind)
    return str(kind)


def check_path(settings: SandboxSettings, path: str) -> None:
    """A path must be absolute and below one of the file systems, once it is normalised."""
    if not path.startswith("/"):
        raise ApiError(400, f"The provided path ({path}) is not an absolute path.")
    normal = posixpath.normpath(path)
    for system in settings.file_systems:
        if normal == system.path or normal.startswith(f"{system.path}/"):
            return
    raise ApiError(
        400,
        f"The provided path ({path}) does not match any of the defined filesystem paths "
        f"for the requested system ({settings.system}).",
    )


def query_path(settings: SandboxSettings, request: Request) -> str:
    """The checked `path` of a query, as the shell reads it."""
    path = request.query_params.get("path")
    if not path:
        raise _no_path(request)
    check_path(settings, path)
    return single_quoted(path)


async def body_path(settings: SandboxSettings, request: Request) -> tuple[str, dict[str, Any]]:
    """The checked path of a body, raw, and the body itself."""
    try:
        body = camel_keys(json.loads(await request.body()))
        path = next(body[key] for key in ("path", "sourcePath") if body.get(key))
    except (ValueError, AttributeError, StopIteration):
        raise _no_path(request) from None
    if not isinstance(path, str):
        raise invalid("body", "sourcePath", "Input should be a valid string", path)
    check_path(settings, path)
    return path, body


def _no_path(request: Request) -> ApiError:
    request.scope[CLOSE_SCOPE_KEY] = True  # the real one breaks the connection after this answer, too
    return ApiError(400, NO_PATH)
