"""Sites that are known by name, from their own documentation."""

from __future__ import annotations

from dataclasses import dataclass

_CSCS_TOKENS = "https://auth.cscs.ch/auth/realms/firecrest-clients/protocol/openid-connect/token"
_CSCS_DOCS = "https://docs.cscs.ch/services/firecrest"
_CSCS_HINT = "client id and secret: an application of yours at https://developer.cscs.ch"


@dataclass(frozen=True, slots=True)
class KnownSite:
    """Where a site's FirecREST is, and where its tokens come from."""

    name: str
    title: str
    url: str
    token_url: str
    hint: str
    """How a user gets credentials there."""
    documentation: str


SITES: tuple[KnownSite, ...] = (
    KnownSite(
        "cscs",
        "CSCS, HPC platform (Daint, Eiger)",
        "https://api.cscs.ch/hpc/firecrest/v2",
        _CSCS_TOKENS,
        _CSCS_HINT,
        _CSCS_DOCS,
    ),
    KnownSite(
        "cscs-ml",
        "CSCS, machine learning platform (Clariden, Bristen)",
        "https://api.cscs.ch/ml/firecrest/v2",
        _CSCS_TOKENS,
        _CSCS_HINT,
        _CSCS_DOCS,
    ),
    KnownSite(
        "cscs-cw",
        "CSCS, climate and weather platform (Santis)",
        "https://api.cscs.ch/cw/firecrest/v2",
        _CSCS_TOKENS,
        _CSCS_HINT,
        _CSCS_DOCS,
    ),
    KnownSite(
        "csc",
        "CSC (Roihu)",
        # The site numbers its own generations: this `v1` is FirecREST version 2.
        "https://api.roihu.csc.fi/v1",
        "https://user-auth.csc.fi/idp/profile/oidc/token",
        "a token from https://my.csc.fi for a day (--token-command), or a robot account's name and password",
        "https://docs.csc.fi/computing/firecrest/connecting/",
    ),
)


def known_site(name: str) -> KnownSite | None:
    """The site of that name; None where there is none."""
    return next((site for site in SITES if site.name == name), None)
