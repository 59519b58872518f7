"""What a state of Slurm says of a job."""

from __future__ import annotations

_ACTIVE = frozenset(
    {
        "CONFIGURING",
        "COMPLETING",
        "PENDING",
        "POWER_UP_NODE",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
        "RESV_DEL_HOLD",
        "RUNNING",
        "SIGNALING",
        "SPECIAL_EXIT",
        "STAGE_OUT",
        "STOPPED",
        "SUSPENDED",
        "UPDATE_DB",
    }
)


def has_ended(state: str) -> bool:
    """Whether no other state will follow; `state` may have more words, as in `CANCELLED by 1000`."""
    words = state.replace(",", " ").replace("+", " ").split()
    return bool(words) and not _ACTIVE.intersection(words)
