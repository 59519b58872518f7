"""`python -m f7tfs` is `f7tfs`."""

from __future__ import annotations

from f7tfs.cli import main

if __name__ == "__main__":
    main()
