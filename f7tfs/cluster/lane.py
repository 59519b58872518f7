"""For the layers above, which do not know the client: calls inside `with background():` go after all others."""

from __future__ import annotations

from f7tfs.firecrest.limiter import background

__all__ = ["background"]
