"""v2: what a symlink leads to. The script that stages a file would cut it to a part of its size if given the link."""

from __future__ import annotations

import posixpath
import stat

from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.escapes import unescape

_MOST = 40
"""As many links one after the other as Linux follows."""


async def file_behind(api: FirecrestV2, system_name: str, path: str) -> tuple[str, int]:
    """The path of the file that `path` leads to, and its size. One request; two more for each symlink on the way."""
    for _ in range(_MOST):
        found = await api.stat(system_name, path)
        if not stat.S_ISLNK(found["mode"]):
            return path, found["size"]
        (link, *_) = await api.list_files(system_name, path)
        target, _ = unescape(str(link.get("linkTarget") or ""))
        # Quoted as all paths are that the server pastes into a shell command.
        path = posixpath.join(posixpath.dirname(path), target.replace("'", "'\\''"))
    raise FirecrestException(message=f"too many levels of symbolic links: {path}")
