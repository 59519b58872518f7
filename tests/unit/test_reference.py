"""The reference says what the program does."""

from __future__ import annotations

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
