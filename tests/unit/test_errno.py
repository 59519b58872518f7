"""The table from errors to errnos."""

from __future__ import annotations

import errno

import pytest

from f7tfs.cluster import errors
from f7tfs.fuse.errno import ERRNO, errno_of


def tree(cls: type[errors.ClusterError]) -> list[type[errors.ClusterError]]:
    """Those of the port; a layer above may have one of its own, which no file system meets."""
    subs = (sub for sub in cls.__subclasses__() if sub.__module__ == errors.__name__)
    return [cls, *(below for sub in subs for below in tree(sub))]


@pytest.mark.parametrize("cls", tree(errors.ClusterError))
def test_every_error_of_the_tree_has_an_errno(cls: type[errors.ClusterError]) -> None:
    assert ERRNO[cls] in errno.errorcode


def test_the_tree_is_drawn_whole_in_its_docstring() -> None:
    drawn = errors.__doc__ or ""
    assert all(cls.__name__ in drawn for cls in tree(errors.ClusterError))


def test_an_error_of_the_local_disk_keeps_its_errno() -> None:
    assert errno_of(OSError(errno.ENOSPC, "full")) == errno.ENOSPC


def test_a_defect_is_an_input_output_error() -> None:
    assert errno_of(ValueError("no")) == errno.EIO
