"""All checks in their order; what one finds decides whether the next can tell anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import trio

from f7tfs.cli.checks import here, routes, site, way
from f7tfs.cli.checks.findings import Finding, failed
from f7tfs.cluster.connect import connect
from f7tfs.cluster.errors import ClusterError
from f7tfs.config import MountSettings, TokenCommand
from f7tfs.errors import UserError
from f7tfs.firecrest.auth import Authorization
from f7tfs.mount.credentials import authorization_for, unlocked, use_network_settings
from f7tfs.mount.daemon import home_directory
from f7tfs.mount.failure import leaves
from f7tfs.mount.runtime import state_base

Report = Callable[[Finding], None]


def examine(settings: MountSettings, probes: tuple[str, ...], report: Report) -> None:
    """Everything about a mount that can be known before it is made."""
    options = settings.options
    for finding in here.fuse(allow_other=options.allow_other):
        report(finding)
    report(here.disk(options.cache_dir or state_base()))
    try:
        use_network_settings(settings.proxy, settings.ca_file)
        settings = replace(settings, credentials=unlocked(settings.credentials))
    except UserError as error:
        report(failed("credentials", str(error), error.cure))
        return
    if _reachable(settings, report):
        trio.run(_ask, settings, probes, report)


def _reachable(settings: MountSettings, report: Report) -> bool:
    urls = [settings.url]
    if not isinstance(settings.credentials, TokenCommand):
        urls.append(settings.credentials.token_url)
    for check in (way.names(urls), way.connections(urls, settings.ca_file)):
        findings = list(check)
        for finding in findings:
            report(finding)
        # With a wrong clock much else can be told; what goes wrong by it is named once.
        if any(finding.state == "failed" and finding.check != "clock" for finding in findings):
            return False
    return True


async def _ask(settings: MountSettings, probes: tuple[str, ...], report: Report) -> None:
    authorization = authorization_for(settings.credentials)
    if await _all_well(site.token(authorization), report) and await _all_well(
        site.systems(settings, authorization), report
    ):
        await _on_the_system(settings, authorization, probes, report)


async def _on_the_system(
    settings: MountSettings, authorization: Authorization, probes: tuple[str, ...], report: Report
) -> None:
    try:
        async with connect(
            settings.url,
            authorization,
            settings.system,
            api_version=settings.api_version,
            account=settings.account,
            root_hint=settings.path,
        ) as cluster:
            if not await _all_well(site.root(cluster, settings), report) or settings.options.read_only:
                return
            path = settings.path or await home_directory(cluster, (await cluster.identity()).user)
            if path != "/":
                await _all_well(routes.routes(cluster, path, probes), report)
    except* (ClusterError, UserError) as errors:
        for error in leaves(errors):
            report(failed("system", str(error), "try again later"))


async def _all_well(findings: AsyncIterator[Finding], report: Report) -> bool:
    well = True
    async for finding in findings:
        report(finding)
        well = well and finding.state != "failed"
    return well
