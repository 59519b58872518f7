"""What a mount tells Prometheus: the text format 0.0.4, from the status; and a loopback port that serves it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import trio

from f7tfs.mount.errors import MountError

_log = logging.getLogger(__name__)
_REQUEST_SECONDS = 10.0

# Name, kind, what it is, and the key of the status.
_FIGURES = (
    ("changes_left", "gauge", "Changes that the cluster does not have yet.", "changes_left"),
    ("bytes_left", "gauge", "Bytes that the cluster does not have yet.", "bytes_left"),
    ("cache_bytes", "gauge", "Bytes of content kept on the local disk.", "cache_bytes"),
    ("inodes", "gauge", "Files and directories that are known.", "inodes"),
    ("reachable", "gauge", "1 while the cluster answers.", "reachable"),
    ("start_time_seconds", "gauge", "When it was mounted, in epoch seconds.", "since"),
)


def metrics(answers: list[dict[str, Any]]) -> str:
    """The status of each mount as Prometheus reads it."""
    lines: list[str] = []
    for name, kind, meaning, key in _FIGURES:
        samples = [(_labels(answer), float(answer[key])) for answer in answers]
        lines += _metric(name, kind, meaning, samples)
    failed = [(_labels(answer), float(len(answer["failed"]))) for answer in answers]
    lines += _metric("failed_changes", "gauge", "Changes that the cluster refused.", failed)
    calls = [
        (_labels(answer, route=route), float(count)) for answer in answers for route, count in answer["calls"].items()
    ]
    lines += _metric("api_calls_total", "counter", "Requests sent to the API.", calls)
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, meaning: str, samples: list[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP f7tfs_{name} {meaning}"
    yield f"# TYPE f7tfs_{name} {kind}"
    for labels, value in samples:
        yield f"f7tfs_{name}{{{labels}}} {value:.17g}"


def _labels(answer: Mapping[str, Any], **more: str) -> str:
    labels = {"mountpoint": answer["mountpoint"], "remote": answer["remote"], **more}
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


async def serve_metrics(
    port: int,
    status: Callable[[], dict[str, Any]],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer every request on 127.0.0.1 with the metrics. Raises MountError when the port is taken."""
    try:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    except OSError as error:
        raise MountError(
            f"no metrics on port {port}: {error.strerror or error}", "choose another one: -o metrics=PORT"
        ) from None
    task_status.started()
    await trio.serve_listeners(partial(_answer, status), listeners)


async def _answer(status: Callable[[], dict[str, Any]], stream: trio.SocketStream) -> None:
    try:
        async with stream:
            with trio.move_on_after(_REQUEST_SECONDS):
                await stream.receive_some(65536)
                body = metrics([status()]).encode()
                head = (
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                await stream.send_all(head.encode() + body)
    except trio.BrokenResourceError:
        # Who asked has gone.
        return
    except Exception:  # noqa: BLE001 - whatever a scraper does, the mount goes on
        _log.exception("metrics")
