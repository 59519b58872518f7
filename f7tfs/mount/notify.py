"""Telling a service manager how it is: sd_notify(3), which is one datagram."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(**states: str) -> None:
    """Say `READY=1` and the like where systemd started this process with Type=notify; else nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # The abstract namespace is written with an @.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
        sender.sendto(
            "\n".join(f"{name}={value}" for name, value in states.items()).encode(),
            "\0" + address[1:] if address.startswith("@") else address,
        )
