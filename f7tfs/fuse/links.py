"""Absolute symlinks: a path of the cluster there, with `map_links` the path of the same file here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Links:
    """Maps targets between the mounted directory of the cluster and the mount point; only what lies below them.

    >>> Links("/home/me", "/mnt").here("/home/me/data/x")
    '/mnt/data/x'
    """

    root: str
    mountpoint: str

    def here(self, target: str) -> str:
        """A target of the cluster, as it is shown."""
        return _moved(target, self.root, self.mountpoint)

    def there(self, target: str) -> str:
        """A target that is made here, as the cluster is to have it."""
        return _moved(target, self.mountpoint, self.root)


def _moved(target: str, old: str, new: str) -> str:
    old, new = old.rstrip("/"), new.rstrip("/")
    if target == old or target.startswith(f"{old}/"):
        return f"{new}{target[len(old) :]}" or "/"
    return target
