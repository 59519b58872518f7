"""The reference says what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from f7tfs.config.options import _OPTIONS

TOP = Path(__file__).parents[2]


def test_the_reference_of_the_commands_is_what_they_say_themselves() -> None:
    script = TOP / "scripts" / "reference.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stderr}run scripts/reference.py"


@pytest.mark.parametrize("option", sorted(_OPTIONS))
def test_every_option_of_a_mount_is_described(option: str) -> None:
    text = (TOP / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert f"`{option}`" in text or f"`{option}=`" in text or f"`--{option.replace('_', '-')}`" in text


def test_the_links_of_the_readme_lead_somewhere() -> None:
    text = (TOP / "README.md").read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link}
    assert "docs/index.md" in links
    assert [link for link in links if link and not (TOP / link).exists()] == []


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"- ([\w/-]+\.md)$", (TOP / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    docs = TOP / "docs"
    assert {str(page.relative_to(docs)) for page in docs.rglob("*.md")} == named


def test_the_check_of_links_counts_warnings() -> None:
    """`--quiet` silences them before `--strict` sees them."""
    assert "mkdocs build --strict\n" in (TOP / "Makefile").read_text(encoding="utf-8")


def test_every_error_of_the_promises_is_explained() -> None:
    promised, explained = (
        set(re.findall(r"`(E[A-Z]{3,})`", (TOP / "docs" / page).read_text(encoding="utf-8")))
        for page in ("semantics.md", "reference/errors.md")
    )
    everyday = {"ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY", "ENAMETOOLONG", "ELOOP", "ESTALE"}
    assert promised
    assert promised - everyday - explained == set()
