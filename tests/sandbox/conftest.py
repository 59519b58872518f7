"""What the tests of recorded flows share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.sandbox.recordings")

from tests.sandbox.recordings import Expected  # noqa: E402 - after what it needs


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Iterator[Expected]:
    """The recordings that the test's `flow` names. At its end none may be left uncompared."""
    version, names = request.function.recordings
    found = Expected(version, names)
    yield found
    assert not found.left
