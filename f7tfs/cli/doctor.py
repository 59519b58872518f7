"""`f7tfs doctor`: what may keep a mount from working, and what to do about it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from f7tfs.cli.arguments import Json, Profile
from f7tfs.cli.checks.findings import Finding
from f7tfs.cli.checks.here import disk, fuse
from f7tfs.cli.output import count, show, show_json, show_table, tell
from f7tfs.cli.progress import waiting
from f7tfs.cli.settings import default_profile, gather
from f7tfs.config import MountOptions, Settings, from_environment, merge, options_from_text
from f7tfs.errors import UserError
from f7tfs.mount.runtime import state_base
from f7tfs.mount.target import parse_target


def doctor(
    remote: Annotated[
        str | None, typer.Argument(metavar="SYSTEM:/PATH", help="As for f7tfs mount; else the default profile.")
    ] = None,
    profile: Profile = None,
    url: Annotated[str | None, typer.Option(help="The site's FirecREST URL (FIRECREST_URL).")] = None,
    account: Annotated[str | None, typer.Option(help="The account for transfer jobs.")] = None,
    option: Annotated[list[str] | None, typer.Option("-o", metavar="OPTIONS", help="As for f7tfs mount.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Change nothing on the cluster, start no job; rights are judged by modes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check everything that a mount needs, here and at the site, and name the cure of what is wrong.

    Writes, reads and removes a small file by each route (direct, archive, staged), unless --quick is given. An answer
    is waited for 10 s, a route for 3 minutes at most; what cannot be known without it is `not examined` then.
    """
    findings: list[Finding] = []
    try:
        flags = merge(Settings(url=url, account=account), options_from_text(",".join(option or [])))
        name = remote or profile or default_profile([flags, from_environment(os.environ)]) or ":"
        settings = gather(parse_target(name), flags, profile)
    except UserError as error:
        # What can be told of the machine without them.
        findings += [*fuse(allow_other=False), disk(state_base(), MountOptions())]
        findings.append(Finding("settings", "failed", str(error), error.cure))
    else:
        # Loads the HTTP library.
        from f7tfs.cli.checks.examination import examine
        from f7tfs.cli.checks.routes import ALL

        examining = f"examining {settings.system} at {settings.url}"
        with waiting(examining) as tell_next:

            def found(finding: Finding, coming: str) -> None:
                findings.append(finding)
                done = f"{count(len(findings), 'check')} done, {finding.check} {finding.state}"
                tell_next(f"{examining}: {done}" + (f"; now {coming}" if coming else ""))

            examine(settings, () if quick else ALL, found)
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    rows = [
        (each.check, each.state, each.found, "" if each.seconds is None else f"{each.seconds:.2f} s")
        for each in findings
    ]
    show_table(("check", "state", "found", "time"), rows, empty="nothing was checked")
    wrong = [finding for finding in findings if finding.state in ("warning", "failed")]
    for finding in wrong:
        show(f"{finding.check}: {finding.cure}")
    tell(f"{count(len(wrong), 'thing')} to look at" if wrong else "all is well")
