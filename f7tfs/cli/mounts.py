"""`f7tfs mounts`: what is mounted, a line each."""

from __future__ import annotations

from typing import Any

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import duration, lacking, show_json, show_table, size, tell
from f7tfs.cli.status import every, is_kept, what_to_do, with_kept


def mounts(as_json: Json = False) -> None:
    """List the mounts, those too whose daemon has gone or is still sending, and changes of what is not mounted."""
    answers = with_kept(every())
    if answers and all(is_kept(answer) for answer in answers) and not as_json:
        tell("nothing is mounted")
    if as_json:
        show_json([{"state": state_of(answer), **answer} for answer in answers])
        return
    show_table(
        ("mount point", "remote", "state", "to be sent", "failed", "for", "site"),
        [(*_row(answer), answer.get("url", "")) for answer in answers],
        empty="nothing is mounted",
        named=("failed",),
    )


def state_of(answer: dict[str, Any]) -> str:
    """One word: mounted, unreachable, refused (the credentials), unmounted (and still sending), stale, problem.

    Or kept: changes of what is not mounted.
    """
    if is_kept(answer):
        return "kept"
    if "problem" in answer:
        return "stale" if "remote" in answer else "problem"
    if not answer["mounted"]:
        return "unmounted"
    if not answer["reachable"]:
        return "unreachable"
    return "refused" if answer.get("credentials_refused") else "mounted"


def _row(answer: dict[str, Any]) -> tuple[object, ...]:
    state = state_of(answer)
    if "problem" in answer and "changes_left" not in answer:
        return answer["mountpoint"] or "-", answer.get("remote", ""), state, "", "", answer["problem"]
    left, jobs = answer["changes_left"], answer.get("jobs_waiting", 0)
    return (
        answer["mountpoint"] or "-",
        answer["remote"],
        state,
        lacking(left, jobs, f", {size(answer['bytes_left'])}") if left or jobs else "-",
        len(answer["failed"]),
        what_to_do(answer) if is_kept(answer) else duration(answer["now"] - answer["since"]),
    )
