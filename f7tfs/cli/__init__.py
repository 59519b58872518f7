"""The command line: one module for each command."""

from f7tfs.cli.app import main

__all__ = ["main"]
