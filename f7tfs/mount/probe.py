"""Is there a site at all? Asked once before connecting, since the client goes on trying for half a minute."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import leaves

_SECONDS = 10.0
_CURE = "check the URL and the network; f7tfs doctor looks for the cause"


async def require_site(url: str) -> None:
    """Raise MountError unless something speaks HTTP at `url`; what it answers does not matter. No token is sent."""
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            await client.head(f"{url}/status/liveness")
    except httpx.TimeoutException:
        raise MountError(f"cannot reach {url}: no answer within {_SECONDS:.0f} s", _CURE) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise MountError(f"cannot reach {url}: {reason(error)}", _CURE) from None


def reason(error: BaseException) -> str:
    """What the operating system said, if it did: "all attempts failed" tells nobody anything."""
    for each in _chain(error):
        for leaf in leaves(each):
            if isinstance(leaf, OSError) and leaf.strerror:
                return leaf.strerror
    return str(error) or type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
