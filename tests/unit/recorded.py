"""What real servers answered, by the name of each recording."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data"


@functools.cache
def responses(version: str) -> dict[str, dict[str, Any]]:
    """All of a version: status, headers and body."""
    lines = (DATA / f"{version}-transcripts.jsonl").read_text().splitlines()
    return {item["name"]: item["response"] for item in map(json.loads, lines)}


def body(version: str, name: str) -> Any:
    """The JSON of one of them."""
    found = responses(version)[name]["body"]
    return json.loads(found) if isinstance(found, str) else found
