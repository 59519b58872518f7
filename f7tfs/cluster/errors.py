"""What can go wrong at the cluster port.

ClusterError
├── Refused                    the cluster said no; asking again gives the same answer
│   ├── NotFound               no such file or directory
│   ├── PermissionDenied
│   ├── AlreadyExists
│   ├── NotADirectory
│   ├── IsADirectory
│   ├── DirectoryNotEmpty
│   ├── NameTooLong
│   ├── TooManySymlinks
│   ├── NoSpace
│   ├── QuotaExceeded
│   ├── ReadOnly               a read-only file system
│   ├── InvalidName            a name that this API cannot carry exactly; nothing was sent
│   ├── TooLarge               above a limit of the API
│   ├── Unsupported            the API has no such operation
│   │   └── NotText            the API gives text only, and this is none
│   │       └── CutCharacter   it ends within a character; it may be whole when the writer goes on
│   ├── AccountRequired        the site's transfer jobs need an account
│   ├── SchedulerRefused       the message is the scheduler's own
│   ├── NoSuchSystem
│   ├── Unauthorized           bad or expired credentials
│   └── RemoteFailure          any other final failure on the cluster
├── Unavailable                it may work later
│   ├── Interrupted            what was begun there failed, the site being there: it is begun again, or gone on with
│   ├── TimedOut               no answer in time; for a read, nothing happened
│   └── Busy                   rate limit or overload
└── Uncertain                  a change was sent, its answer was lost, and it could not be looked up
"""

from __future__ import annotations


class ClusterError(Exception):
    """Root of the tree. `str(error)` is one line that a user can read."""


class Refused(ClusterError):
    """The cluster said no; asking again gives the same answer."""


class NotFound(Refused):
    """No such file or directory."""


class PermissionDenied(Refused):
    """The cluster does not let this user do that."""


class AlreadyExists(Refused):
    """There is something of that name."""


class NotADirectory(Refused):
    """A part of the path is not a directory."""


class IsADirectory(Refused):
    """The path is a directory."""


class DirectoryNotEmpty(Refused):
    """The directory has entries."""


class NameTooLong(Refused):
    """A name of more than 255 bytes, or a path that is too long."""


class TooManySymlinks(Refused):
    """A loop of symbolic links."""


class NoSpace(Refused):
    """The file system is full."""


class QuotaExceeded(Refused):
    """The user's quota is used up."""


class ReadOnly(Refused):
    """The file system is mounted read-only there."""


class InvalidName(Refused):
    """A name that this API cannot carry exactly. Nothing was sent."""


class TooLarge(Refused):
    """Above a limit of the API."""


class Unsupported(Refused):
    """The API has no such operation."""


class NotText(Unsupported):
    """The API gives a part of a file as text only, and this is none."""


class CutCharacter(NotText):
    """It ends within a character. It may be whole when its writer goes on."""


class AccountRequired(Refused):
    """The site's transfer jobs need an account: `--account` or FIRECREST_ACCOUNT."""


class SchedulerRefused(Refused):
    """The scheduler refused a job; the message is its own."""


class NoSuchSystem(Refused):
    """The site has no system of that name."""


class Unauthorized(Refused):
    """Bad or expired credentials."""


class RemoteFailure(Refused):
    """Any other final failure on the cluster; the message is what it said."""


class Unavailable(ClusterError):
    """The site cannot be reached, or says that it cannot serve now. It may work later."""

    sent = True
    """False: the request provably never left this machine."""


class Interrupted(Unavailable):
    """What was begun on the cluster failed there for no reason that is known; it may work later."""


class TimedOut(Unavailable):
    """No answer in time."""


class Busy(Unavailable):
    """Rate limit or overload."""


class Uncertain(ClusterError):
    """A change was sent, its answer was lost, and what became of it could not be looked up."""
