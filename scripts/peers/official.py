"""Tasks with the official client, file by file: `python official.py TASK SYSTEM FAR NEAR` prints the seconds it took.

The server and the credentials come from the environment.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firecrest

V2 = os.environ["FIRECREST_API_VERSION"] == "2"


def entries(client: Any, system: str, far: str) -> list[dict[str, Any]]:
    return list(client.list_files(system, far, show_hidden=True, recursive=True))


def listing(client: Any, system: str, far: str, _: Path) -> None:
    client.list_files(system, far)


def walk(client: Any, system: str, far: str, _: Path) -> None:
    entries(client, system, far)


def send(client: Any, system: str, near: Path, directory: str) -> None:
    if V2:
        client.upload(system, str(near), directory, near.name, blocking=True)
    else:
        client.simple_upload(system, str(near), directory)


def fetch(client: Any, system: str, far: str, near: Path) -> None:
    if V2:
        client.download(system, far, str(near), blocking=True)
    else:
        client.simple_download(system, far, str(near))


def small_in(client: Any, system: str, far: str, near: Path) -> None:
    send(client, system, near, far.rpartition("/")[0])


def tree_out(client: Any, system: str, far: str, near: Path) -> None:
    """Of a recursive listing, whose names are relative to `far`."""
    near.mkdir()
    for entry in entries(client, system, far):
        name = entry["name"].removeprefix(far).lstrip("/")
        if entry["type"] == "d":
            (near / name).mkdir(parents=True, exist_ok=True)
        elif entry["type"] == "-":
            (near / name).parent.mkdir(parents=True, exist_ok=True)
            fetch(client, system, f"{far}/{name}", near / name)


def tree_in(client: Any, system: str, far: str, near: Path) -> None:
    for top, _, files in os.walk(near):
        directory = f"{far}/{Path(top).relative_to(near)}".removesuffix("/.")
        client.mkdir(system, directory)
        for name in files:
            send(client, system, Path(top, name), directory)


def remove(client: Any, system: str, far: str, _: Path) -> None:
    client.rm(system, far) if V2 else client.simple_delete(system, far)


TASKS: dict[str, Callable[[Any, str, str, Path], None]] = {
    "ls": listing,
    "small-in": small_in,
    "small-out": fetch,
    "find": walk,
    "cp-out": tree_out,
    "cp-in": tree_in,
    "rm": remove,
}


def main() -> None:
    warnings.simplefilter("ignore")  # its own
    task, system, far, near = sys.argv[1:]
    authorization = firecrest.ClientCredentialsAuth(
        os.environ["FIRECREST_CLIENT_ID"], os.environ["FIRECREST_CLIENT_SECRET"], os.environ["AUTH_TOKEN_URL"]
    )
    authorization.get_access_token()
    client = (firecrest.v2 if V2 else firecrest.v1).Firecrest(os.environ["FIRECREST_URL"], authorization)
    began = time.perf_counter()
    TASKS[task](client, system, far, Path(near))
    print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
