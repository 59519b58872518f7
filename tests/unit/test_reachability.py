"""What a failed call tells of the site."""

from __future__ import annotations

import pytest
import trio

from f7tfs.cluster.errors import ClusterError, Interrupted, NoSpace, TimedOut, Unavailable
from f7tfs.vfs.reachability import Reachability


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (Unavailable("no route to host"), True),
        (TimedOut("no answer"), True),
        (Interrupted("its node failed"), False),
        (NoSpace("the disk is full"), False),
    ],
)
def test_only_who_does_not_answer_is_away(error: ClusterError, away: bool) -> None:
    async def main() -> None:
        reachability = Reachability(60.0)
        reachability.failed(error)
        assert (reachability.since is not None) == away

    trio.run(main)
