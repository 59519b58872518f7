"""What stands at a file's place on the cluster: ours, what it was, or another's doing. Pure.

An upload whose answer was lost may have been made. What is found at its place afterwards is then neither the version
that was there before nor, for all one knows, another's: so every content is written down before it is sent, and what
is found is compared with those too.
"""

from __future__ import annotations

import enum
import json
from dataclasses import replace

from f7tfs.vfs.nodes import File, Node, Sent, Standing, Version


class Verdict(enum.Enum):
    """Whose doing it is that something stands there."""

    EXPECTED = "nobody changed it since"
    PERHAPS_OURS = "as large as a content that was sent: its checksum decides"
    ANOTHERS = "somebody else changed it"


def judge(found: Version | None, standing: Standing) -> Verdict:
    """`found`: what is there now, None if nothing is.

    Nothing is lost where nothing or an empty file is replaced; the latter is also what an upload under way looks
    like.
    """
    if found is None or not standing.known or found.size == 0 or found == standing.version:
        return Verdict.EXPECTED
    if any(sent.size == found.size for sent in standing.sent):
        return Verdict.PERHAPS_OURS
    return Verdict.ANOTHERS


def with_sent(standing: Standing, sent: Sent) -> Standing:
    """Another content is about to be sent there."""
    if sent in standing.sent:
        return standing
    return replace(standing, sent=(*standing.sent, sent))


def both(earlier: Standing, later: Standing) -> Standing:
    """What two changes of one place, of which the earlier is not made yet, may find there."""
    version = earlier.version if earlier.version is not None else later.version
    together = Standing(version, earlier.sent, known=earlier.known and later.known)
    for sent in later.sent:
        together = with_sent(together, sent)
    return together


def dump(standing: Standing) -> str:
    """As the journal keeps it."""
    version = standing.version
    return json.dumps(
        {
            "version": None if version is None else [version.modified, version.size],
            "sent": [[sent.size, sent.digest] for sent in standing.sent],
            "known": standing.known,
        }
    )


def load(text: str) -> Standing:
    """What `dump` wrote. An empty text is of a journal that did not keep it: then nothing is known."""
    if not text:
        return Standing(known=False)
    kept = json.loads(text)
    return Standing(
        version=None if kept["version"] is None else Version(*kept["version"]),
        sent=tuple(Sent(*sent) for sent in kept["sent"]),
        known=kept["known"],
    )


def standing_of(node: File) -> Standing:
    """What may stand at a file's place now without being another's doing."""
    if node.change is not None or node.version is None:
        return node.standing
    return Standing(node.version)


def in_doubt(node: Node) -> bool:
    """Whether something stands at a changed file's place that is not known to be what was there, or ours."""
    if not isinstance(node, File) or node.change is None:
        return False
    return node.on_cluster and node.version not in (None, node.standing.version)
