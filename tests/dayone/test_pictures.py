"""The script that makes the documentation's pictures still makes all of them."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
WANTED = {
    "login": "now: mkdir -p",
    "doctor": "all is well",
    "doctor-finds": "f7tfs login asks for new credentials",
    "mount": "is mounted on /home/me/daint",
    "status": "to be sent",
    "transfers": "MiB/s",
    "jobs": "step 1 of 3",
    "top": "calls/s",
    "journal": "failed",
    "trace": "in all",
}


@pytest.mark.long
def test_the_pictures_are_made_anew(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "scripts.pictures", str(tmp_path)], cwd=TOP, check=True, timeout=240)
    assert {picture.stem for picture in tmp_path.iterdir()} == set(WANTED)
    for name, wanted in WANTED.items():
        text = re.sub(r"<[^>]*>", "", (tmp_path / f"{name}.svg").read_text(encoding="utf-8"))
        assert wanted in html.unescape(text).replace("\N{NO-BREAK SPACE}", " "), name
        assert (TOP / "docs" / "pictures" / f"{name}.svg").exists()
