"""All checks in their order; what one finds decides whether the next can tell anything."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from urllib.parse import urlsplit

import trio

from f7tfs.cli.checks import here, routes, site, way
from f7tfs.cli.checks.findings import SECONDS, SILENT, SILENT_CURE, Finding, failed, not_examined
from f7tfs.cluster.connect import connect
from f7tfs.cluster.errors import ClusterError
from f7tfs.cluster.port import Cluster
from f7tfs.config import MountSettings, TokenCommand
from f7tfs.errors import UserError
from f7tfs.firecrest.auth import Authorization
from f7tfs.mount.credentials import authorization_for, unlocked, use_network_settings
from f7tfs.mount.daemon import home_directory
from f7tfs.mount.failure import leaves
from f7tfs.mount.runtime import state_base

Report = Callable[[Finding], None]
_AT_THE_SITE = ("token", "site", "service", "user", "root")


def examine(settings: MountSettings, probes: tuple[str, ...], told: Callable[[Finding, str], None]) -> None:
    """Everything about a mount that can be known before it is made.

    `told` gets each finding, and what is looked at next.
    """
    left = [*_AT_THE_SITE, "rights", *probes]

    def report(finding: Finding) -> None:
        if finding.check in left:
            left.remove(finding.check)
        coming = left[0] if left else ""
        told(finding, f"{coming}, {routes.bound(coming):.0f} s at most" if coming in probes else coming)

    _examine(settings, probes, report)
    for check in left.copy():
        report(not_examined(check))


def _examine(settings: MountSettings, probes: tuple[str, ...], report: Report) -> None:
    options = settings.options
    for finding in here.fuse(allow_other=options.allow_other):
        report(finding)
    report(here.disk(options.cache_dir or state_base(), options))
    try:
        use_network_settings(settings.proxy, settings.ca_file)
        settings = replace(settings, credentials=unlocked(settings.credentials))
    except UserError as error:
        report(failed("credentials", str(error), error.cure))
        return
    provider = None if isinstance(settings.credentials, TokenCommand) else settings.credentials.token_url
    apart = provider is not None and urlsplit(provider)[:2] != urlsplit(settings.url)[:2]
    site_well = _reachable(settings.url, settings, _about("the API", report) if apart else report)
    provider_well = site_well or provider is None
    if provider is not None and apart:
        provider_well = _reachable(provider, settings, _about("the identity provider", report))
    if provider_well:
        trio.run(_ask, settings, probes if site_well else None, report)


def _about(whose: str, report: Report) -> Report:
    """Findings of two hosts have the same names."""
    return lambda finding: report(replace(finding, found=f"{whose}: {finding.found}"))


def _reachable(url: str, settings: MountSettings, report: Report) -> bool:
    for check in (way.names([url]), way.connections([url], settings.ca_file)):
        findings = list(check)
        for finding in findings:
            report(finding)
        # With a wrong clock much else can be told; what goes wrong by it is named once.
        if any(finding.state == "failed" and finding.check != "clock" for finding in findings):
            return False
    return True


async def _ask(settings: MountSettings, probes: tuple[str, ...] | None, report: Report) -> None:
    """By the credentials; without probes only these, since the site is away."""
    authorization = authorization_for(settings.credentials)
    if not await _all_well(site.token(authorization), report) or probes is None:
        return
    if await _all_well(site.systems(settings, authorization), report):
        await _on_the_system(settings, authorization, probes, report)


async def _on_the_system(
    settings: MountSettings, authorization: Authorization, probes: tuple[str, ...], report: Report
) -> None:
    connecting = trio.CancelScope(deadline=trio.current_time() + SECONDS)
    try:
        with connecting:
            async with connect(
                settings.url,
                authorization,
                settings.system,
                api_version=settings.api_version,
                account=settings.account,
                root_hint=settings.path,
            ) as cluster:
                connecting.deadline = math.inf
                await _of_the_cluster(cluster, settings, probes, report)
        if connecting.cancelled_caught:
            report(failed("system", f"{settings.system}: {SILENT}", SILENT_CURE))
    except* (ClusterError, UserError) as errors:
        for error in leaves(errors):
            report(failed("system", str(error), "try again later"))


async def _of_the_cluster(cluster: Cluster, settings: MountSettings, probes: tuple[str, ...], report: Report) -> None:
    if not await _all_well(site.root(cluster, settings), report):
        return
    path = settings.path or await home_directory(cluster, (await cluster.identity()).user)
    if settings.options.read_only or path == "/":
        why = f"{settings.system}:/ holds all file systems: name a directory, as {settings.system}:/path"
        for check in ("rights", *probes):
            report(not_examined(check, "nothing is written with -o ro" if settings.options.read_only else why))
    elif probes:
        await _all_well(routes.routes(cluster, path, probes), report)
    else:
        report(await site.rights(cluster, path))


async def _all_well(findings: AsyncIterator[Finding], report: Report) -> bool:
    well = True
    async for finding in findings:
        report(finding)
        well = well and finding.state != "failed"
    return well
