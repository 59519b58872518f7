"""The sandbox's side of the object store: starts it when it is first needed, signs URLs, moves content."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import IO, Any
from urllib.parse import urlparse

import trio
from botocore.exceptions import ClientError

from f7tfs.sandbox.settings import SandboxSettings

REGION = "us-east-1"
RULES_PATH = "/-rules"


def external_keys(settings: SandboxSettings) -> tuple[str, str] | None:
    """The keys of an object store that is not ours; None if it is."""
    if not settings.object_store_url:
        return None
    key = settings.object_store_key or os.environ.get("AWS_ACCESS_KEY_ID", "")
    return key, settings.object_store_secret or os.environ.get("AWS_SECRET_ACCESS_KEY", "")


class Bounded:
    """A reader of the first `size` bytes of a file, for boto3."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source = source
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._source.read(wanted)
        self._left -= len(data)
        return data


class ObjectStore:
    """One S3 endpoint on its own port, one bucket for each user."""

    def __init__(self, settings: SandboxSettings, secret: str) -> None:
        """`secret` makes the keys, so URLs signed before a restart are still of the right key after it."""
        self._settings = settings
        self._keys = external_keys(settings) or ("sandbox", secret or secrets.token_hex(16))
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((settings.host, settings.s3_port))
        self._listener.listen(128)
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Any = None
        self._lock = trio.Lock()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return self._settings.object_store_url.rstrip("/") or f"http://{self._settings.host}:{self.port}"

    @property
    def external(self) -> bool:
        """Whether it is somebody else's."""
        return bool(self._settings.object_store_url)

    # -- life ------------------------------------------------------------------------------------

    async def start_on_connection(self) -> None:
        """Start the process as soon as somebody connects, so that a URL from before a restart gets an answer."""
        if not self.external:
            await trio.lowlevel.wait_readable(self._listener)
            await self.start()

    async def start(self) -> None:
        """Start the process, unless it runs. Connections wait in the listener's queue until it takes them."""
        async with self._lock:
            if self._process is None and not self.external:
                self._process = await trio.to_thread.run_sync(self._spawn)
            if self._client is None:
                self._client = await trio.to_thread.run_sync(self._connect)

    def _spawn(self) -> subprocess.Popen[bytes]:
        directory = tempfile.mkdtemp(prefix="f7tfs-sandbox-s3-")
        descriptor = self._listener.fileno()
        command = [sys.executable, "-m", "f7tfs.sandbox.objectstore", "--fd", str(descriptor)]
        command += ["--directory", directory, "--part-size", str(self._settings.max_part_size)]
        key, secret = self._keys
        # moto wants credentials in the environment; any will do, but never the user's own.
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            "F7TFS_SANDBOX_S3_KEY": key,
            "F7TFS_SANDBOX_S3_SECRET": secret,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            # Parts are claims there, each far below S3's minimum; the front applies that to the real sizes.
            "S3_UPLOAD_PART_MIN_SIZE": "1",
            "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "1048576",
        }
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=[descriptor], env=environment, start_new_session=True
        )

    def _connect(self) -> Any:
        import boto3  # here, as it takes long to import and is not always needed
        from botocore.config import Config

        key, secret = self._keys
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=20,
            proxies={},
        )
        client = boto3.session.Session(key, secret, region_name=REGION).client(
            "s3", endpoint_url=self.url, config=config
        )
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            client.create_bucket(Bucket=self.bucket)
        return client

    def close(self) -> None:
        self._listener.close()
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    # -- URLs ------------------------------------------------------------------------------------

    @property
    def bucket(self) -> str:
        return self._settings.user if len(self._settings.user) > 2 else f"user-{self._settings.user}"

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        await self.start()
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)

    async def presign(self, operation: str, key: str, **parameters: Any) -> str:
        """A URL for one S3 operation on a key, valid for the settings' time."""
        arguments = {"Bucket": self.bucket, "Key": key, **parameters}
        expires = self._settings.url_seconds

        def work() -> str:
            url: str = self._client.generate_presigned_url(operation, Params=arguments, ExpiresIn=expires)
            return url

        url: str = await self._in_thread(work)
        return url

    async def presign_post(self, key: str) -> tuple[str, dict[str, str]]:
        """The URL and the fields of a form that uploads one object."""
        expires = self._settings.url_seconds
        made = await self._in_thread(
            lambda: self._client.generate_presigned_post(self.bucket, key, ExpiresIn=expires)
        )
        return f"{self.url}{urlparse(made['url']).path}", made["fields"]

    async def create_multipart(self, key: str) -> str:
        made = await self._in_thread(lambda: self._client.create_multipart_upload(Bucket=self.bucket, Key=key))
        return str(made["UploadId"])

    async def set_rules(self, rules: list[dict[str, object]]) -> None:
        """Faults of the store itself. Raises ValueError if it is not ours."""
        if self.external:
            raise ValueError("s3_rules are for the sandbox's own object store")
        await self._in_thread(lambda: self._put_rules(json.dumps(rules)))

    def _put_rules(self, body: str) -> None:
        connection = http.client.HTTPConnection(self._settings.host, self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("PUT", RULES_PATH, body, {"Authorization": self._keys[1]})
            assert connection.getresponse().status == 204

    # -- content ---------------------------------------------------------------------------------

    async def exists(self, key: str) -> bool:
        def work() -> bool:
            try:
                found = self._client.list_objects_v2(Bucket=self.bucket, Prefix=key)
            except ClientError:
                # A store that refuses does not show it, either.
                return False
            return any(entry["Key"] == key for entry in found.get("Contents", []))

        there: bool = await self._in_thread(work)
        return there

    async def put(self, key: str, source: IO[bytes]) -> None:
        """Stream a file into an object, which appears whole."""
        await self._in_thread(lambda: self._client.upload_fileobj(source, self.bucket, key))

    async def size(self, key: str) -> int:
        found = await self._in_thread(lambda: self._client.head_object(Bucket=self.bucket, Key=key))
        return int(found["ContentLength"])

    async def get(self, key: str, target: IO[bytes], start: int = 0, stop: int | None = None) -> None:
        """Stream an object, or its bytes [start, stop), into a file."""
        wanted = {} if stop is None else {"Range": f"bytes={start}-{stop - 1}"}

        def work() -> None:
            body = self._client.get_object(Bucket=self.bucket, Key=key, **wanted)["Body"]
            with contextlib.closing(body):
                while chunk := body.read(1 << 20):
                    target.write(chunk)

        await self._in_thread(work)

    async def delete(self, key: str) -> None:
        await self._in_thread(lambda: self._client.delete_object(Bucket=self.bucket, Key=key))
