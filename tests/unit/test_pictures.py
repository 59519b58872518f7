"""The pictures that the pages show are there, and none is there for nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *(TOP / "docs").rglob("*.md")]
PICTURES = sorted((TOP / "docs" / "pictures").iterdir())


def shown() -> set[Path]:
    return {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }


def test_every_picture_that_a_page_shows_is_there_and_described_and_the_other_way_round() -> None:
    assert shown() == {picture.resolve() for picture in PICTURES}


def test_pictures_fetch_nothing_from_elsewhere() -> None:
    for picture in PICTURES:
        text = picture.read_text(encoding="utf-8")
        ET.fromstring(text)  # noqa: S314 - our own file; raises where it is none
        assert "url(http" not in text, picture
        assert "<image" not in text, picture
