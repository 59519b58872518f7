"""Every recording is repeated, or named with the reason why not."""

from __future__ import annotations

import pytest

from tests.sandbox import test_replay_v1 as v1
from tests.sandbox import test_replay_v2 as v2
from tests.sandbox.recordings import IN_FLOWS, NOT_REPLAYED, recordings, single

TESTS = {"v1": v1.test_v1_answers_as_recorded, "v2": v2.test_v2_answers_as_recorded}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_every_recording_is_repeated_or_listed(version: str) -> None:
    (mark,) = TESTS[version].pytestmark
    alone = {recording["name"] for recording in mark.args[1]}
    listed = set(NOT_REPLAYED[version])
    assert alone | IN_FLOWS[version] | listed == recordings(version).keys()
    assert not alone & (IN_FLOWS[version] | listed)
    assert not IN_FLOWS[version] & listed
    assert len(alone) == len(single(version))


@pytest.mark.parametrize(("version", "name"), [(v, name) for v, names in NOT_REPLAYED.items() for name in names])
def test_what_is_not_repeated_has_a_reason(version: str, name: str) -> None:
    assert len(NOT_REPLAYED[version][name]) > 20
