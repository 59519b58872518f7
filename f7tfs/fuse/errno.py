"""The only table from what went wrong to the errno that a program gets."""

from __future__ import annotations

import errno

from f7tfs.cluster import errors

ERRNO: dict[type[errors.ClusterError], int] = {
    errors.ClusterError: errno.EIO,
    errors.Refused: errno.EIO,
    errors.NotFound: errno.ENOENT,
    errors.PermissionDenied: errno.EACCES,
    errors.AlreadyExists: errno.EEXIST,
    errors.NotADirectory: errno.ENOTDIR,
    errors.IsADirectory: errno.EISDIR,
    errors.DirectoryNotEmpty: errno.ENOTEMPTY,
    errors.NameTooLong: errno.ENAMETOOLONG,
    errors.TooManySymlinks: errno.ELOOP,
    errors.NoSpace: errno.ENOSPC,
    errors.QuotaExceeded: errno.EDQUOT,
    errors.ReadOnly: errno.EROFS,
    errors.InvalidName: errno.EINVAL,
    errors.TooLarge: errno.EFBIG,
    errors.Unsupported: errno.EOPNOTSUPP,
    errors.NotText: errno.EOPNOTSUPP,
    errors.CutCharacter: errno.EOPNOTSUPP,
    errors.AccountRequired: errno.EACCES,
    errors.SchedulerRefused: errno.EINVAL,
    errors.NoSuchSystem: errno.ENODEV,
    errors.Unauthorized: errno.EACCES,
    errors.RemoteFailure: errno.EIO,
    errors.Unavailable: errno.EHOSTUNREACH,
    errors.Interrupted: errno.EIO,
    errors.TimedOut: errno.ETIMEDOUT,
    errors.Busy: errno.EAGAIN,
    errors.Uncertain: errno.EIO,
}

# Errors that say nothing about f7tfs or the cluster's health: programs cause them all the time.
EVERYDAY = frozenset({errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ENOTTY})


def errno_of(error: Exception) -> int:
    """The errno of an error of the cluster port, or of the local disk. EIO for what is a defect of f7tfs."""
    for cls in type(error).__mro__:
        if cls in ERRNO:
            return ERRNO[cls]
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    return errno.EIO
