"""The process of the object store. It ends, and removes its content, when its standard input is closed."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
from pathlib import Path

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from f7tfs.sandbox.objectstore.claims import Blobs
from f7tfs.sandbox.objectstore.front import Front


class QuietHandler(WSGIRequestHandler):
    """Keeps connections open, and writes no log."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        del type, message, args


def serve(descriptor: int, directory: Path, keys: tuple[str, str], part: int) -> None:
    front = Front(DomainDispatcherApplication(create_backend_app), Blobs(directory), keys, part)
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=QuietHandler, fd=descriptor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)  # requests that are still running have nobody to answer to


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--part-size", type=int, required=True)
    given = parser.parse_args()
    keys = (os.environ["F7TFS_SANDBOX_S3_KEY"], os.environ["F7TFS_SANDBOX_S3_SECRET"])
    serve(given.fd, given.directory, keys, given.part_size)


if __name__ == "__main__":
    main()
