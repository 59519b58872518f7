"""A rename that is made on the cluster while its caller waits."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from f7tfs.cluster.errors import ClusterError, Uncertain
from f7tfs.vfs.change import Change, State
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.names import join, locked
from f7tfs.vfs.nodes import Directory, File, Node, Sent, Standing
from f7tfs.vfs.presently import Attempt, Presently
from f7tfs.vfs.renamer import Renamer
from f7tfs.vfs.renaming_here import RenamingHere, comes_along
from f7tfs.vfs.standing import in_doubt, standing_of
from f7tfs.vfs.uploads import Uploads


class RenamingAtOnce:
    """What the cluster has is renamed there; a small content that it has not goes there under its new name."""

    def __init__(
        self,
        log: ChangeLog,
        uploads: Uploads,
        delivery: Delivery,
        renamer: Renamer,
        presently: Presently,
        here: RenamingHere,
    ) -> None:
        self._log = log
        self._uploads = uploads
        self._delivery = delivery
        self._renamer = renamer
        self._presently = presently
        self._here = here

    async def attempt(self, node: Node, parent: Directory, name: str, target: File | None) -> Attempt:
        """Rename, over `target` if there is one. MADE: on the cluster, and here; otherwise it has its old name here.

        Raises the cluster's refusal.
        """
        if not self._presently.expected(node.path):
            return Attempt.NONE
        async with locked(node, target):
            if in_doubt(node) or (target is not None and in_doubt(target)):
                return Attempt.NONE
            if node.on_cluster:
                if isinstance(node, File) and node.change is not None and self._presently.may_journal:
                    # What is out of date there is not moved: after a kill it would stand under the new name.
                    return Attempt.NONE
                return await self._rename_sent(node, parent, name, target)
            if isinstance(node, File) and node.change is not None and self._here.is_only_here(node):
                return await self._send_as(node, node.change, parent, name, target)
        return Attempt.NONE

    async def _rename_sent(self, node: Node, parent: Directory, name: str, target: File | None) -> Attempt:
        moved, made = True, ("", "")

        async def about_to_send(sent: Sent) -> None:
            await self._log.arrives(made[1], Standing(sent=(sent,)), None, node)

        async def call(places: Sequence[str]) -> None:
            nonlocal moved, made
            old, new = made = places[0], places[1]
            node.arriving = (parent, name)
            if isinstance(node, File):
                # What waits at the new place falls with it, but not yet.
                await self._log.arrives(new, standing_of(node), None, node)
            moved = await self._renamer.rename(node, old, new, target.remote_mode if target else None, about_to_send)

        async def effect() -> None:
            if not moved and isinstance(node, File):
                self._here.stand_in_for(node, target)
            await self._here.move(node, parent, name, target, self._log.renamed(*made))

        attempt = Attempt.NONE
        try:
            attempt = await self._presently.make(
                lambda: [node.path, join(parent, name)],
                call,
                effect,
                lambda change: comes_along(change, node.path) or _falls_with(change, target),
                held=_files(node, target),
                dentries=_dentries(node, parent, name),
            )
        finally:
            if made[0] and attempt is not Attempt.UNCERTAIN:
                node.arriving = None
        return attempt

    async def _send_as(
        self, node: File, change: Change, parent: Directory, name: str, target: File | None
    ) -> Attempt:
        """It exists only here: it is sent under its new name.

        What stands there is given up only when the cluster has the new content, or cannot be reached.
        """
        before, made = node.standing, ("", "")
        if change.state is not State.READY or not self._uploads.wants_to_go(change, name):
            return Attempt.NONE

        async def call(places: Sequence[str]) -> None:
            nonlocal made
            made = places[0], places[1]
            self._here.stand_in_for(node, target)
            await self._delivery.transfer(change, made[1], node.remote_mode)

        async def effect() -> None:
            await self._here.move(node, parent, name, target, self._log.renamed(*made))
            await self._delivery.finished(change, change.path)

        try:
            # Until the journal knows that it arrived: what is written meanwhile is another content.
            with change.content.still() if change.content else contextlib.nullcontext():
                attempt = await self._presently.make(
                    lambda: [node.path, join(parent, name)],
                    call,
                    effect,
                    lambda other: other is change or _falls_with(other, target),
                    held=(node, target),
                    dentries=_dentries(node, parent, name),
                )
        except ClusterError:
            node.standing, node.on_cluster, node.remote_mode = before, False, None
            raise
        if attempt is Attempt.UNCERTAIN:
            await self._here.move(node, parent, name, target, self._log.renamed(*made))
            self._log.put_off(change, Uncertain("the answer to its upload was lost"))
            return Attempt.MADE
        return attempt


def _files(*nodes: Node | None) -> tuple[File, ...]:
    """Those that have a lock."""
    return tuple(node for node in nodes if isinstance(node, File))


def _dentries(node: Node, parent: Directory, name: str) -> tuple[tuple[Directory, str], ...]:
    """The names that change with a rename."""
    return ((node.parent or parent, node.name), (parent, name))


def _falls_with(change: Change, target: File | None) -> bool:
    """Whether a change need not be made once something else stands at its file's place."""
    return target is not None and change.node is target and change.content is not None and not change.in_flight
