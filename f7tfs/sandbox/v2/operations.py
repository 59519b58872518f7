"""/filesystem/{system}/ops/...: the calls that run one command and answer at once."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.coreutils.content import write_file
from f7tfs.sandbox.coreutils.failure import CommandStalled
from f7tfs.sandbox.coreutils.listing import Line, ListOptions
from f7tfs.sandbox.quoting import single_quoted
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v2.envelope import ApiError, base_headers, endpoint, invalid, no_content, run_command, success
from f7tfs.sandbox.v2.parameters import body_path, compression, flag, query_bool, query_int, query_path, required


def entry(line: Line) -> dict[str, str | None]:
    return {
        "name": line.name,
        "type": line.kind,
        "linkTarget": line.target or None,
        "user": line.user,
        "group": line.group,
        "permissions": line.permissions,
        "lastModified": line.modified,
        "size": line.size,
    }


# -- looking -------------------------------------------------------------------------------------


async def ls(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    options = ListOptions(
        hidden=query_bool(request, "showHidden"),
        numeric=query_bool(request, "numericUid"),
        recursive=query_bool(request, "recursive"),
        dereference=query_bool(request, "dereference"),
    )
    lines = await run_command(site, site.lister.entries, path, options)
    return success({"output": [entry(line) for line in lines if not line.device]})


async def stat(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    follow = query_bool(request, "dereference")
    return success({"output": await run_command(site, lambda: site.lister.stat(path, dereference=follow))})


async def file_type(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    return success({"output": await run_command(site, site.reader.file_type, path)})


async def checksum(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    digest = await run_command(site, site.reader.checksum, path)
    return success({"output": {"algorithm": "SHA256", "checksum": digest}})


def _counts(request: Request) -> tuple[int | None, int | None]:
    count, lines = query_int(request, "bytes"), query_int(request, "lines")
    if count is not None and lines is not None:
        raise ApiError(400, "Only one of `bytes` and `lines` can be specified.")
    return count, lines


def _piece(content: bytes, count: int | None, lines: int | None, *, start: bool) -> Response:
    kind = "bytes" if count is not None else "lines"
    number = count if count is not None else 10 if lines is None else lines
    text = content.decode("utf-8", "replace")
    ends = {"startPosition": 0, "endPosition": number} if start else {"startPosition": -number, "endPosition": -1}
    return success({"output": {"content": text, "contentType": kind, **ends}})


async def head(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    count, lines = _counts(request)
    skip = query_bool(request, "skipTrailing")
    cut = await run_command(site, lambda: site.reader.head(path, count=count, lines=lines, skip_end=skip))
    return _piece(cut, count, lines, start=True)


async def tail(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    count, lines = _counts(request)
    skip = query_bool(request, "skipHeading")
    cut = await run_command(site, lambda: site.reader.tail(path, count=count, lines=lines, skip_begin=skip))
    return _piece(cut, count, lines, start=False)


async def view(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    limit = site.settings.max_ops_file_size
    given_size, given_offset = query_int(request, "size"), query_int(request, "offset")
    size = limit if given_size is None else given_size
    offset = given_offset or 0
    if size > limit:
        raise ApiError(400, f"`size` value must be less than {limit} bytes")
    if size <= 0:
        raise ApiError(400, "`size` value must be an integer value greater than 0")
    if offset < 0:
        raise ApiError(400, "`offset` value must be an integer value equal or greater than 0")
    return success({"output": await run_command(site, site.reader.view, path, offset, size)})


async def download(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    content = await run_command(site, site.reader.download, path)
    return Response(content, 200, base_headers(), "application/octet-stream")


# -- changing ------------------------------------------------------------------------------------


async def upload(site: Site, request: Request) -> Response:
    query_path(site.settings, request)
    async with request.form() as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise invalid("body", "file", "Field required")
        content = await part.read(site.settings.max_ops_file_size + 1)
        name = part.filename or ""
    if len(content) > site.settings.max_ops_file_size:
        raise ApiError(413, "File to upload is too large.")
    path = single_quoted(f"{request.query_params['path']}/{name}")
    await run_command(site, _write, site, path, content)
    return no_content()


def _write(site: Site, path: str, content: bytes) -> None:
    write_file(site.root, path, content, site.quota, opener="bash: line 1", writer="base64")
    if not content:
        raise CommandStalled  # the command waits for an input that never ends, after it has made the file


async def mkdir(site: Site, request: Request) -> Response:
    raw, body = await body_path(site.settings, request)
    path, parents = single_quoted(raw), flag(body, "parent")

    def work() -> Line:
        site.changer.mkdir(path, parents=parents)
        return site.lister.one(path)

    return success({"output": entry(await run_command(site, work))}, 201)


async def rm(site: Site, request: Request) -> Response:
    path = query_path(site.settings, request)
    await run_command(site, site.changer.remove, path)
    return no_content()


async def symlink(site: Site, request: Request) -> Response:
    raw, body = await body_path(site.settings, request)
    target, link = single_quoted(raw), single_quoted(required(body, "linkPath"))

    def work() -> Line:
        site.changer.symlink(target, link)
        return site.lister.one(link)

    return success({"output": entry(await run_command(site, work))}, 201)


async def chmod(site: Site, request: Request) -> Response:
    raw, body = await body_path(site.settings, request)
    path, mode = single_quoted(raw), required(body, "mode")

    def work() -> Line:
        site.changer.chmod(path, mode)
        return site.lister.one(path)

    return success({"output": entry(await run_command(site, work))})


async def chown(site: Site, request: Request) -> Response:
    raw, body = await body_path(site.settings, request)
    path, owner, group = single_quoted(raw), _text(body, "owner"), _text(body, "group")

    def work() -> Line:
        site.changer.chown(path, owner, group)
        return site.lister.one(path)

    return success({"output": entry(await run_command(site, work))})


async def compress(site: Site, request: Request) -> Response:
    raw, body = await body_path(site.settings, request)
    source, target = single_quoted(raw), single_quoted(required(body, "targetPath"))
    follow, pattern, kind = flag(body, "dereference"), body.get("matchPattern"), compression(body)
    await run_command(
        site,
        lambda: site.archiver.compress(source, target, compression=kind, dereference=follow, pattern=pattern),
    )
    return no_content()


async def extract(site: Site, request: Request) -> Response:
    raw, body = await body_path(site.settings, request)
    source, target = single_quoted(raw), single_quoted(required(body, "targetPath"))
    kind = compression(body)
    await run_command(site, lambda: site.archiver.extract(source, target, compression=kind))
    return no_content()


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise invalid("body", name, "Input should be a valid string", value)
    return value


def routes(site: Site) -> list[Route]:
    table = [
        ("GET", "ls", ls),
        ("GET", "stat", stat),
        ("GET", "file", file_type),
        ("GET", "checksum", checksum),
        ("GET", "head", head),
        ("GET", "tail", tail),
        ("GET", "view", view),
        ("GET", "download", download),
        ("POST", "upload", upload),
        ("POST", "mkdir", mkdir),
        ("DELETE", "rm", rm),
        ("POST", "symlink", symlink),
        ("PUT", "chmod", chmod),
        ("PUT", "chown", chown),
        ("POST", "compress", compress),
        ("POST", "extract", extract),
    ]
    return [
        Route(f"/filesystem/{{system}}/ops/{name}", endpoint(site, handler), methods=[method])
        for method, name, handler in table
    ]
