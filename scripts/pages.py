"""Tables that the benches write into pages of the documentation."""

from __future__ import annotations

import re
from pathlib import Path


def write_table(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks `<!-- NAME -->` and `<!-- end -->`. Raises ValueError where there are none."""
    place = re.compile(rf"(?<=<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    written, count = place.subn(lambda _: text, page.read_text())
    if count != 1:
        raise ValueError(f"{page} has {count} places for {name}")
    page.write_text(written)
