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
    if found is None or not standing.known or found.size == 0 or found in standing.versions:
        return Verdict.EXPECTED
    if any(sent.size == found.size for sent in standing.sent):
        return Verdict.PERHAPS_OURS
    return Verdict.ANOTHERS


def with_sent(standing: Standing, sent: Sent) -> Standing:
    """Another content is about to be sent there."""
    if sent in standing.sent:
        return standing
    return replace(standing, sent=(*standing.sent, sent))


def either(one: Standing, other: Standing) -> Standing:
    """The one may stand there, or the other: a change in between may have been made, or not."""
    versions = tuple(dict.fromkeys(one.versions + other.versions))
    sent = tuple(dict.fromkeys(one.sent + other.sent))
    known = one.known and other.known
    return Standing(versions[0] if versions else None, sent, known=known, others=versions[1:])


def dump(standing: Standing) -> str:
    """As the journal keeps it."""
    version = standing.version
    return json.dumps(
        {
            "version": None if version is None else [version.modified, version.size],
            "sent": [[sent.size, sent.digest] for sent in standing.sent],
            "known": standing.known,
            "others": [[version.modified, version.size] for version in standing.others],
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
        others=tuple(Version(*version) for version in kept.get("others", ())),
    )


def standing_of(node: File) -> Standing:
    """What may stand at a file's place now without being another's doing."""
    if node.change is not None or node.version is None:
        return node.standing
    # What was sent last is that version, or takes its place just now.
    return Standing(node.version, node.standing.sent)


def in_doubt(node: Node) -> bool:
    """Whether something stands at a changed file's place that is not known to be what was there, or ours."""
    if not isinstance(node, File) or node.change is None:
        return False
    return node.on_cluster and node.version is not None and node.version not in node.standing.versions
