"""Whatever is called, in whatever surroundings: what happened and what to do, and never a traceback."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

from tests.dayone.conftest import PATIENCE, User
from tests.namespaces import alone

PROGRAM = Path(__file__).parent / "wrong_calls.py"
SEED = 20


def test_a_thousand_wrong_calls_end_in_two_lines_each(user: User) -> None:
    command = shlex.join([sys.executable, str(PROGRAM), str(user.home), str(SEED)])
    done = subprocess.run(
        alone(command), env=user.env(), capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout)
    assert told["calls"] > 1000
    assert told["found"] == [], json.dumps(told["found"][:5], indent=1)
