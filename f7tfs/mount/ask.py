"""The control socket of a daemon: the asking side, for the command line. The protocol is in control.py."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from f7tfs.mount.address import connect
from f7tfs.mount.errors import MountError

_CONNECT_SECONDS = 5.0


class NoDaemon(MountError):
    """Nobody listens at this address."""


def is_listening(address: Path) -> bool:
    """Whether a daemon has this control socket open."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_SECONDS)
        try:
            connect(client, address)
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def ask(
    address: Path,
    command: str,
    *,
    timeout: float,
    progress: Callable[[int, int], None] | None = None,
    **arguments: object,
) -> dict[str, Any]:
    """Send a request and return its result. `timeout` bounds the silence between two lines, in seconds.

    Raises NoDaemon when nobody listens, and MountError with what the daemon said or when it says nothing.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_SECONDS)
        try:
            connect(client, address)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoDaemon("the daemon of that mount has gone", "f7tfs mounts shows which; f7tfs umount") from None
        except OSError as error:
            raise MountError(f"cannot ask the f7tfs daemon: {error}") from None
        client.settimeout(timeout)
        try:
            client.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
            return _read_answer(client, progress)
        except TimeoutError:
            raise MountError(f"the f7tfs daemon said nothing for {timeout:.0f} s") from None
        except OSError as error:
            raise MountError(f"the f7tfs daemon hung up: {error}") from None


def _read_answer(client: socket.socket, progress: Callable[[int, int], None] | None) -> dict[str, Any]:
    with client.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            if "error" in message:
                raise MountError(message["error"], message.get("cure", ""))
            if "result" in message:
                return dict(message["result"])
            if progress is not None and "progress" in message:
                progress(*message["progress"])
    raise MountError("the f7tfs daemon ended without an answer")
