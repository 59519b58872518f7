"""`f7tfs login`: find out how to reach a site, check it, and write a profile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.ask import answer
from f7tfs.cli.output import show_json, show_record, show_table, size, tell
from f7tfs.cli.progress import waiting
from f7tfs.config import ConfigError, config_file, read_profiles
from f7tfs.config.profiles import check_name, kept_of, write_profile
from f7tfs.config.sites import SITES, known_site
from f7tfs.mount.target import parse_path

if TYPE_CHECKING:
    from f7tfs.cli.site_check import Account
    from f7tfs.cluster.connect import System


def login(
    name: Annotated[str | None, typer.Argument(metavar="PROFILE", help="Its name; else that of the system.")] = None,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help=f"{', '.join(s.name for s in SITES)}, or the FirecREST URL.")
    ] = None,
    token_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The identity provider: its issuer, or its token URL.")
    ] = None,
    client_id: Annotated[str | None, typer.Option(help="The secret is asked for, or read from a pipe.")] = None,
    token_command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Instead: a command that prints an access token.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Instead: log in in a browser (device flow).")] = False,
    system: Annotated[str | None, typer.Option(help="The system to mount from.")] = None,
    path: Annotated[str | None, typer.Option(help="The directory; your own one if not given.")] = None,
    account: Annotated[str | None, typer.Option(help="For jobs and transfers.")] = None,
    keyring: Annotated[
        bool | None, typer.Option("--keyring/--no-keyring", help="Keep the secret there, or in a file of mode 0600.")
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Make it the default profile.")] = False,
    proxy: Annotated[str | None, typer.Option(metavar="URL", help="Go through this proxy.")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(parser=Path, metavar="FILE", help="Trust the certificates in this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find out how to reach a site, check it, show what is there, and write a profile.

    What no option says is asked for. A profile that is there keeps its options, path, account, proxy and certificates
    where the site is the same and nothing else is said. Without a terminal the client's secret comes from standard
    input or FIRECREST_CLIENT_SECRET.
    """
    # They load the HTTP library.
    from f7tfs.cli.login_ways import Given, log_in
    from f7tfs.cli.site_check import account_on, systems_of
    from f7tfs.mount.credentials import use_network_settings

    if name is not None:
        check_name(name)
    # An empty one takes that of the earlier profile away.
    path = parse_path(path) if path else path
    url, issuer = _site(site, token_url)
    use_network_settings(*_network(name, url, proxy, ca_file))
    entered = log_in(Given(issuer, client_id, token_command, browser, keyring))
    with waiting(f"asking {url}"):
        systems = systems_of(url, entered.authorization, None)
    if not as_json:
        _show_systems(systems)
    chosen = _choose(systems, system)
    with waiting(f"asking {chosen.name}"):
        found = account_on(url, entered.authorization, chosen, path or None)
    profile = {
        "url": url,
        **entered.keep(),
        "system": chosen.name,
        "api_version": chosen.api_version,
        "path": path,
        "account": account,
        "proxy": proxy,
        "ca_file": ca_file and str(ca_file.absolute()),
    }
    written = name or check_name(chosen.name.lower())
    said = {key: value for key, value in profile.items() if value is not None}
    kept = write_profile(config_file(), written, said, default=default)
    if as_json:
        show_json({"profile": written, "file": config_file(), **_as_json(systems, found)})
    else:
        show_record(f"{found.user} on {chosen.name}", _readable(found, chosen))
        tell(f"profile {written} is in {config_file()}")
        if kept:
            tell(f"of what it said before, these stay: {', '.join(kept)}")
        tell(f"now: mkdir -p ~/{written} && f7tfs mount {written} ~/{written}")


def _network(name: str | None, url: str, proxy: str | None, ca_file: Path | None) -> tuple[str | None, Path | None]:
    """The way to the site; where nothing is said of it, that of the profile that is written again."""
    earlier = read_profiles(config_file())[0].get(name, {}) if name else {}
    kept = {key: earlier[key] for key in kept_of(earlier, {"url": url})}
    if proxy is None:
        proxy = kept.get("proxy")
    if ca_file is None and "ca_file" in kept:
        ca_file = config_file().parent / Path(str(kept["ca_file"])).expanduser()
    return proxy, ca_file


def _site(site: str | None, token_url: str | None) -> tuple[str, str]:
    """The site's URL, and what is known of its identity provider."""
    suggested = os.environ.get("FIRECREST_URL")
    if site is None and suggested is None:
        for each in SITES:
            tell(f"    {each.name:10} {each.title}")
    text = site or answer("site (one of these, or its FirecREST URL)", "--site", suggested)
    known = known_site(text)
    if known is not None:
        tell(f"    {known.hint}")
        return known.url, token_url or known.token_url
    if not text.startswith(("https://", "http://")):
        raise ConfigError(
            f"no site {text!r} is known",
            f"one of {', '.join(each.name for each in SITES)}; or the URL that your site tells you",
        )
    return text.rstrip("/"), token_url or os.environ.get("AUTH_TOKEN_URL", "")


def _choose(systems: Sequence[System], wanted: str | None) -> System:
    names = [each.name for each in systems]
    if not systems:
        raise ConfigError("the site has no system for you", "ask the site which systems you may use")
    if wanted is None and len(systems) > 1:
        wanted = answer("system", "--system", os.environ.get("FIRECREST_SYSTEM"))
    for each in systems:
        if wanted is None or each.name.lower() == wanted.lower():
            return each
    raise ConfigError(f"the site has no system {wanted!r}", f"it has: {', '.join(names)}")


def _state(system: System) -> str:
    return "unhealthy" if system.troubles else "healthy"


def _show_systems(systems: Sequence[System]) -> None:
    rows = [
        (each.name, _state(each), each.description, " ".join(each.file_systems), "; ".join(each.troubles))
        for each in systems
    ]
    show_table(("system", "state", "what", "file systems", "troubles"), rows, empty="the site has no systems")


def _readable(found: Account, system: System) -> dict[str, str]:
    return {
        "home": found.home or "(not announced)",
        "groups": " ".join(found.groups),
        "accounts": " ".join(found.accounts) or "(not announced)",
        "account": "needed for transfers: --account" if system.needs_account else "not needed for transfers",
        "one call": f"reads {size(found.limits.direct_read)}, writes {size(found.limits.direct_write)}",
        "time limit": f"{found.limits.command_seconds:g} s a call",
        **({"large files": f"not possible: by {system.only_by} only"} if system.only_by else {}),
    }


def _as_json(systems: Sequence[System], found: Account) -> dict[str, object]:
    return {
        "systems": [
            {
                "name": each.name,
                "state": _state(each),
                "troubles": each.troubles,
                "api_version": each.api_version,
                "description": each.description,
                "file_systems": each.file_systems,
                "needs_account": each.needs_account,
            }
            for each in systems
        ],
        "user": found.user,
        "home": found.home,
        "groups": found.groups,
        "accounts": found.accounts,
        "direct_read": found.limits.direct_read,
        "direct_write": found.limits.direct_write,
        "command_seconds": found.limits.command_seconds,
    }
