"""Unix sockets at paths of any length: a socket's own address holds 107 bytes, and homes may be deeper than that."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def bind(listening: socket.socket, address: Path) -> None:
    """Make the socket file `address`. Raises OSError."""
    directory = os.open(address.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listening.bind(f"/proc/self/fd/{directory}/{address.name}")
    finally:
        os.close(directory)


def connect(client: socket.socket, address: Path) -> None:
    """Connect to the socket file `address`. Raises OSError."""
    directory = os.open(address.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        client.connect(f"/proc/self/fd/{directory}/{address.name}")
    finally:
        os.close(directory)
