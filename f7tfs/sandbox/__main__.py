"""`python -m f7tfs.sandbox --root DIR`: serve a directory until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import trio

from f7tfs.sandbox import SandboxInfo, SandboxSettings, SchedulerMissing, serve_sandbox
from f7tfs.sandbox.options import from_json


def parse_arguments(arguments: list[str]) -> tuple[SandboxSettings, bool]:
    """The settings, and whether to report in JSON."""
    parser = argparse.ArgumentParser(prog="python -m f7tfs.sandbox", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the directory to serve")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--client-secret", default="", help="default: random")
    parser.add_argument("--settings", default="{}", help="any other field of SandboxSettings, as a JSON object")
    parser.add_argument("--json", action="store_true", help="report as one line of JSON")
    given = parser.parse_args(arguments)
    root = given.root.resolve()
    base = SandboxSettings(root=root, port=given.port, client_secret=given.client_secret)
    return dataclasses.replace(base, **from_json(json.loads(given.settings))), given.json


def report(info: SandboxInfo, *, as_json: bool) -> str:
    fields = dataclasses.asdict(info)
    if as_json:
        return json.dumps(fields)
    return "\n".join(f"{name:14} {value}" for name, value in fields.items())


async def run(settings: SandboxSettings, *, as_json: bool) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            info = await nursery.start(serve_sandbox, settings)
            sys.stdout.write(report(info, as_json=as_json) + "\n")
            sys.stdout.flush()
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()


def main() -> None:
    settings, as_json = parse_arguments(sys.argv[1:])
    os.umask(0o022)
    try:
        trio.run(lambda: run(settings, as_json=as_json))
    except* SchedulerMissing as group:
        sys.exit(f"sandbox: {group.exceptions[0]}")


if __name__ == "__main__":
    main()
