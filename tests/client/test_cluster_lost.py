"""Answers that are lost, servers that falter, tokens that end: over real connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.port import Cluster
from f7tfs.firecrest.retry import RetryPolicy
from f7tfs.firecrest.session import Options

if TYPE_CHECKING:
    from tests.client.conftest import Site

QUICK = Options(retry=RetryPolicy(total=1.0, first=0.05))


def test_a_lost_answer_of_mkdir_is_looked_up_and_found_done(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "mkdir", "drop": "after"})
        await cluster.make_directory(f"{site.top}/d")

    site.run(use)
    assert (site.real / "d").is_dir()


def test_a_change_that_was_not_made_is_uncertain_after_the_look(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "mkdir", "drop": "before"})
        with pytest.raises(errors.Uncertain):
            await cluster.make_directory(f"{site.top}/d")

    site.run(use)
    assert not (site.real / "d").exists()


def test_a_lost_answer_of_rm_is_looked_up_and_not_sent_again(site: Site) -> None:
    (site.real / "f").touch()

    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "/rm", "drop": "after"})
        await cluster.remove(f"{site.top}/f")

    site.run(use)
    assert not (site.real / "f").exists()
    assert sum(count for call, count in site.sandbox.calls().items() if call.startswith("DELETE")) == 1


def test_a_lost_answer_of_symlink_is_looked_up(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "symlink", "drop": "after"})
        await cluster.make_symlink(f"{site.top}/l", f"{site.top}/f")

    site.run(use)
    assert (site.real / "l").is_symlink()


def test_reads_and_whole_uploads_just_go_again(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"drop": "after", "count": 1})
        await cluster.write_direct(f"{site.top}/f", b"content")
        site.sandbox.faults({"drop": "before", "count": 1})
        assert await cluster.read_direct(f"{site.top}/f") == b"content"
        site.sandbox.faults({"status": 503, "count": 2})
        assert (await cluster.stat(f"{site.top}/f")).size == 7
        site.sandbox.faults({"status": 429, "retry_after": 1, "count": 1})
        began = trio.current_time()
        await cluster.list_directory(site.top)
        assert trio.current_time() - began >= 1

    site.run(use)


def test_a_site_that_stays_away_is_unavailable_within_the_bound(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"status": 503, "count": None})
        with pytest.raises(errors.Unavailable):
            await cluster.stat(site.top)
        site.sandbox.faults({"status": 429, "retry_after": 60, "count": None})
        with pytest.raises(errors.Busy):
            await cluster.stat(site.top)

    site.run(use, options=QUICK)


def test_a_token_that_ends_under_way_is_replaced(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        await cluster.stat(site.top)
        site.sandbox.expire_tokens()
        await cluster.make_directory(f"{site.top}/d")

    site.run(use)
    assert (site.real / "d").is_dir()


def test_many_callers_at_once_stay_below_the_servers_sessions(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(cluster.write_direct, f"{site.top}/f{number}", b"x")

    site.run(use)
    assert len(list(site.real.iterdir())) == 40
    assert sum(site.sandbox.calls().values()) <= 43  # no call was refused and repeated


def test_a_lost_ssh_connection_is_not_noticed(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults(connection_lost=1)
        await cluster.make_directory(f"{site.top}/d")

    site.run(use)
    assert (site.real / "d").is_dir()


def test_a_full_quota_is_told(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults(quota=10)
        with pytest.raises(errors.QuotaExceeded):
            await cluster.write_direct(f"{site.top}/f", bytes(1000))
        site.sandbox.faults(quota=10, quota_error="ENOSPC")
        with pytest.raises(errors.NoSpace):
            await cluster.write_direct(f"{site.top}/f", bytes(1000))

    site.run(use)


def test_an_idle_connection_is_replaced_without_a_word(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        await cluster.stat(site.top)
        await trio.sleep(5.5)  # longer than v2 keeps an idle connection
        await cluster.make_directory(f"{site.top}/d")

    site.run(use)
    assert (site.real / "d").is_dir()


def test_an_upload_that_was_given_up_here_never_overwrites_a_newer_one(site: Site) -> None:
    """The server begins with the older one when the newer one has been asked for already."""

    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "upload", "delay": 2.0})
        with trio.move_on_after(1.0):
            await cluster.write_direct(f"{site.top}/f", b"older, and longer")
        await cluster.write_direct(f"{site.top}/f", b"newer")
        await trio.sleep(4.0)

    site.run(use)
    assert (site.real / "f").read_bytes() == b"newer"


def test_a_removal_that_was_given_up_here_takes_nothing_newer(site: Site) -> None:
    (site.real / "d").mkdir()

    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "DELETE", "delay": 2.0})
        with trio.move_on_after(1.0):
            await cluster.remove(f"{site.top}/d")
        await cluster.make_directory(f"{site.top}/d")
        await cluster.write_direct(f"{site.top}/d/f", b"newer")
        await trio.sleep(4.0)

    site.run(use)
    assert (site.real / "d" / "f").read_bytes() == b"newer"
