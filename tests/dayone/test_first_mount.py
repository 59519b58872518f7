"""The tutorial, from its own text: every command is run, and what it prints is what the page says."""

from __future__ import annotations

from tests.dayone.conftest import User
from tests.dayone.pages import run_page, steps

PAGE = "tutorial/first-mount.md"


def test_the_tutorial_does_what_it_says(user: User) -> None:
    assert len(steps(PAGE)) > 20
    # The sandbox of the page is killed by its last command.
    run_page(PAGE, user, last="trap - EXIT; wait", at_exit="f7tfs umount --wait 5 here 2>/dev/null; kill $(jobs -p)")
