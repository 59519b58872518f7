"""/utilities/...: the calls that run one command and answer at once."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.coreutils.content import write_file
from f7tfs.sandbox.coreutils.listing import Line, ListOptions
from f7tfs.sandbox.quoting import V1_FORBIDDEN
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.envelope import ApiError, answer, endpoint, page, refused, run_command
from f7tfs.sandbox.v1.parameters import check_machine, checked, cluster_path, flag, form_values, path_of

SHELL = "/opt/firecrest: line 70"
NOT_SATISFIABLE = "<!doctype html>\n<html lang=en>\n<title>416 Requested Range Not Satisfiable</title>\n"


def entry(line: Line) -> dict[str, str]:
    return {
        "name": line.name,
        "type": line.kind,
        "link_target": line.target,
        "user": line.user,
        "group": line.group,
        "permissions": line.permissions,
        "last_modified": line.modified,
        "size": line.size,
    }


# -- looking -------------------------------------------------------------------------------------


async def ls(site: Site, request: Request) -> Response:
    check_machine(site, request, "ls")
    query = request.query_params
    path = path_of(site, query, "targetPath", "ls")
    unsorted, bare = flag(query, "unsorted"), flag(query, "notListing")
    options = ListOptions(
        hidden=flag(query, "showhidden") or unsorted,
        numeric=flag(query, "numericUid"),
        recursive=flag(query, "recursive"),
        dereference=flag(query, "followLinks"),
    )
    lines = await run_command(site, "ls", site.lister.entries, path, options)
    if unsorted or bare:
        names = [line.name for line in lines]
        quoted = [f'"{name}"' for name in ([".", *names, ".."] if unsorted else names)]
        return answer({"description": "List of contents", "output": quoted})
    output: list[Any] = [entry(line) for line in lines if not line.device]
    if lines and not output:
        output = [line.text for line in lines]
    if options.recursive and path.endswith("/"):
        output = _with_slashes(output)
    return answer({"description": "List of contents", "output": _page(output, query)})


def _with_slashes(output: list[Any]) -> list[Any]:
    """With a trailing slash in the path, the names at the top of a recursive listing begin with one."""
    return [{**e, "name": f"/{e['name']}"} if "/" not in e["name"] else e for e in output]


def _page(output: list[Any], query: Any) -> list[Any]:
    """A page, 1-based; the whole where the numbers are no good, or beyond the end."""
    try:
        size, number = int(query["pageSize"]), int(query["pageNumber"])
    except (KeyError, ValueError):
        return output
    start = (number - 1) * size
    if size <= 0 or number <= 0 or start >= len(output):
        return output
    return output[start : start + size]


async def stat(site: Site, request: Request) -> Response:
    check_machine(site, request, "stat")
    query = request.query_params
    name = "targetPath" if "targetPath" in query or "sourcePath" not in query else "sourcePath"
    path = path_of(site, query, name, "stat")
    follow = flag(query, "dereference")
    output = await run_command(site, "stat", lambda: site.lister.stat(path, dereference=follow))
    return answer({"description": "Success to stat file.", "output": output})


async def file_type(site: Site, request: Request) -> Response:
    check_machine(site, request, "file")
    path = path_of(site, request.query_params, "targetPath", "file")
    output = await run_command(site, "file", site.reader.file_type, path)
    if output.startswith("cannot open"):
        raise refused("file", output, {"X-Invalid-Path": "path is an invalid path"})
    return answer({"description": "Success to file file.", "output": output})


async def checksum(site: Site, request: Request) -> Response:
    check_machine(site, request, "checksum")
    path = path_of(site, request.query_params, "targetPath", "checksum")
    output = await run_command(site, "checksum", site.reader.checksum, path)
    return answer({"description": "Success to checksum file.", "output": output})


async def head(site: Site, request: Request) -> Response:
    return await _end(site, request, "head")


async def tail(site: Site, request: Request) -> Response:
    return await _end(site, request, "tail")


async def _end(site: Site, request: Request, operation: str) -> Response:
    check_machine(site, request, operation)
    query = request.query_params
    path = path_of(site, query, "targetPath", operation)
    count = _number(query.get("bytes"), operation, "bytes")
    lines = _number(query.get("lines"), operation, "lines")
    if count is not None and lines is not None:
        raise refused(operation, "'lines' and 'bytes' are mutually exclusive")
    skip = flag(query, "skip_ending" if operation == "head" else "skip_beginning")

    def work() -> str:
        reader = site.reader
        if operation == "head":
            return reader.head(path, count=count, lines=lines, skip_end=skip).decode()
        return reader.tail(path, count=count, lines=lines, skip_begin=skip).decode()

    output = await run_command(site, operation, work)
    return answer({"description": f"Success to {operation} file.", "output": output})


def _number(text: str | None, operation: str, what: str) -> int | None:
    """A count as head and tail take it, with the suffix of a size."""
    if not text:  # the official client sends an empty one for none
        return None
    match = re.fullmatch(r"[-+]?(\d+)([KMG]?)", text)
    if match is None:
        message = f"{operation}: invalid number of {what}: '{text}'"
        raise refused(operation, message, {"X-Error": message})
    return int(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[match[2]]


async def view(site: Site, request: Request) -> Response:
    """The first ten lines, whatever the name says, after a check of the size."""
    check_machine(site, request, "view")
    path = path_of(site, request.query_params, "targetPath", "view")
    await _check_size(site, path)
    output = await run_command(site, "head", lambda: site.reader.head(path, count=None, lines=None).decode())
    return answer({"description": "File content successfully returned", "output": output})


async def whoami(site: Site, request: Request) -> Response:
    check_machine(site, request, "whoami")
    settings = site.settings
    if not flag(request.query_params, "groups"):
        return answer({"description": "Success to whoami file.", "output": settings.user})
    groups = [{"id": str(gid), "name": name} for gid, name in site.identity.groups.items()]
    output = {"user": {"id": str(settings.uid), "name": settings.user}, "group": groups[0], "groups": groups}
    return answer({"description": "Success to whoami file.", "output": output})


# -- content -------------------------------------------------------------------------------------


async def _check_size(site: Site, path: str) -> int:
    info = await run_command(site, "fsize", lambda: site.lister.stat(path, dereference=True))
    if info["size"] > site.settings.max_ops_file_size:
        raise ApiError(400, {"description": "Failed to download file"}, {"X-Size-Limit": "File exceeds size limit"})
    return info["size"]


async def download(site: Site, request: Request) -> Response:
    check_machine(site, request, "download")
    if "sourcePath" not in request.query_params and "targetPath" in request.query_params:
        raise ApiError(500, None)
    path = path_of(site, request.query_params, "sourcePath", "download")
    size = await _check_size(site, path)
    content = await run_command(site, "base64", site.reader.download, path) if size else b""
    headers = {
        "Content-Disposition": _disposition(path.rstrip("/").rsplit("/", 1)[-1]),
        "Cache-Control": "no-cache",
        "Accept-Ranges": "bytes",
    }
    return _ranged(content, request.headers.get("range"), headers)


def _disposition(name: str) -> str:
    if name.isascii():
        plain = name if re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name) else f'"{name}"'
        return f"attachment; filename={plain}"
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return f"attachment; filename={bare}; filename*=UTF-8''{quote(name, safe='')}"


def _ranged(content: bytes, wanted: str | None, headers: dict[str, str]) -> Response:
    total = len(content)
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
    if match is None or not total or match[0] == "bytes=-":
        return Response(content, 200, headers, "application/octet-stream")
    start = int(match[1]) if match[1] else max(0, total - int(match[2]))
    stop = min(total, int(match[2]) + 1) if match[1] and match[2] else total
    if start >= stop:
        return page(416, NOT_SATISFIABLE, {"Content-Range": f"bytes */{total}"})
    headers = {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{total}"}
    return Response(content[start:stop], 206, headers, "application/octet-stream")


async def upload(site: Site, request: Request) -> Response:
    limit = site.settings.max_ops_file_size
    check_machine(site, request, "upload")
    if int(request.headers.get("content-length", "0")) > limit:
        async for _ in request.stream():
            pass
        raise ApiError(413, {"description": f"Failed to upload file. The file is over {limit} bytes"})
    async with request.form() as form:
        part, directory = form.get("file"), form.get("targetPath")
        if not isinstance(part, UploadFile):
            raise ApiError(400, {"description": "Failed to upload file", "error": "No file in query"})
        name, content = part.filename or "", await part.read()
    if V1_FORBIDDEN.search(name):
        raise ApiError(400, {"description": "Failed to upload file", "error": "Filename has invalid char"})
    values = {"targetPath": directory} if isinstance(directory, str) else {}
    target = checked(values, "targetPath", "upload")
    path = cluster_path(site.settings, f"{target}/{name}")
    await run_command(
        site,
        "upload",
        lambda: write_file(site.root, path, content, site.quota, opener=SHELL, writer="cat"),
    )
    return answer({"description": "File upload successful", "output": ""}, 201)


# -- changing ------------------------------------------------------------------------------------


async def mkdir(site: Site, request: Request) -> Response:
    check_machine(site, request, "mkdir")
    form = await form_values(request)
    path, parents = path_of(site, form, "targetPath", "mkdir"), "p" in form
    await run_command(site, "mkdir", lambda: site.changer.mkdir(path, parents=parents))
    return answer({"description": "Success to mkdir file.", "output": ""}, 201)


async def symlink(site: Site, request: Request) -> Response:
    check_machine(site, request, "symlink")
    form = await form_values(request)
    target = checked(form, "targetPath", "symlink")
    link = path_of(site, form, "linkPath", "symlink")
    await run_command(site, "symlink", site.changer.symlink, target, link)
    return answer({"description": "Success to symlink file.", "output": ""}, 201)


async def chmod(site: Site, request: Request) -> Response:
    check_machine(site, request, "chmod")
    form = await form_values(request)
    path, mode = path_of(site, form, "targetPath", "chmod"), checked(form, "mode", "chmod")
    output = await run_command(site, "chmod", site.changer.chmod, path, mode)
    return answer({"description": "Success to chmod file or directory.", "output": output})


async def chown(site: Site, request: Request) -> Response:
    check_machine(site, request, "chown")
    form = await form_values(request)
    path = path_of(site, form, "targetPath", "chown")
    owner, group = form.get("owner", ""), form.get("group", "")
    if not owner and not group:
        raise refused("chown", "group and owner not set", {"X-Invalid-Group": "group and owner not set"})
    output = await run_command(site, "chown", site.changer.chown, path, owner, group)
    return answer({"description": "Success to chown file or directory.", "output": output})


async def rm(site: Site, request: Request) -> Response:
    check_machine(site, request, "rm")
    path = path_of(site, await form_values(request), "targetPath", "rm")
    await run_command(site, "rm", site.changer.remove, path)
    return Response(None, 204, None, "application/json")


async def rename(site: Site, request: Request) -> Response:
    check_machine(site, request, "rename")
    form = await form_values(request)
    source, target = path_of(site, form, "sourcePath", "rename"), path_of(site, form, "targetPath", "rename")
    await run_command(site, "rename", site.mover.move, source, target)
    return answer({"description": "Success to rename file.", "output": ""})


async def copy(site: Site, request: Request) -> Response:
    check_machine(site, request, "copy")
    form = await form_values(request)
    source, target = path_of(site, form, "sourcePath", "copy"), path_of(site, form, "targetPath", "copy")
    await run_command(site, "copy", site.mover.copy, source, target)
    return answer({"description": "Success to copy file.", "output": ""}, 201)


async def compress(site: Site, request: Request) -> Response:
    check_machine(site, request, "compress")
    form = await form_values(request)
    source, target = path_of(site, form, "sourcePath", "compress"), path_of(site, form, "targetPath", "compress")
    follow = flag(form, "dereference")
    await run_command(site, "compress", lambda: site.archiver.compress(source, target, dereference=follow))
    return answer({"description": "Success to compress file.", "output": ""}, 201)


def archive_kind(name: str, kind: str | None) -> str | None:
    """How an archive is to be unpacked, by its extension or the one given (with its dot); None: not at all."""
    extensions = {".tar": "none", ".gz": "gzip", ".tgz": "gzip", ".bz2": "bzip2", ".zip": "zip"}
    extension = kind if kind and kind != "auto" else "." + name.rpartition(".")[2]
    return extensions.get(extension)


async def extract(site: Site, request: Request) -> Response:
    check_machine(site, request, "extract")
    form = await form_values(request)
    source, target = path_of(site, form, "sourcePath", "extract"), path_of(site, form, "targetPath", "extract")
    kind = archive_kind(source, form.get("type"))
    if kind is None:
        raise refused("extract", f"Unsupported file format in {source}.")
    if kind == "zip":
        await run_command(site, "extract", site.archiver.unzip, source, target)
    else:
        await run_command(site, "extract", lambda: site.archiver.extract(source, target, compression=kind))
    return answer({"description": "Success to extract file.", "output": ""}, 201)


def routes(site: Site) -> list[Route]:
    table = [
        ("GET", "ls", ls),
        ("GET", "stat", stat),
        ("GET", "file", file_type),
        ("GET", "checksum", checksum),
        ("GET", "head", head),
        ("GET", "tail", tail),
        ("GET", "view", view),
        ("GET", "whoami", whoami),
        ("GET", "download", download),
        ("POST", "upload", upload),
        ("POST", "mkdir", mkdir),
        ("POST", "symlink", symlink),
        ("PUT", "chmod", chmod),
        ("PUT", "chown", chown),
        ("DELETE", "rm", rm),
        ("PUT", "rename", rename),
        ("POST", "copy", copy),
        ("POST", "compress", compress),
        ("POST", "extract", extract),
    ]
    return [Route(f"/utilities/{name}", endpoint(site, handler), methods=[method]) for method, name, handler in table]
