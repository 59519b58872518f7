"""What stands around every handler: a deadline, the watchdog, and errors as errnos.

pyfuse3 catches only FUSEError: any other exception would end the mount. A handler cannot be interrupted by the
kernel, so one without a deadline could block its caller for ever.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import pyfuse3
import trio

from f7tfs.cluster.errors import ClusterError
from f7tfs.fuse.errno import EVERYDAY, errno_of
from f7tfs.fuse.watchdog import Watchdog
from f7tfs.vfs.deadlines import Deadline, within
from f7tfs.vfs.going_on import unharmed
from f7tfs.vfs.paces import asked_by

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Guarded(Protocol):
    """What a guarded class has: seconds for an operation, and for one that may wait for a staged transfer."""

    deadline: float
    staging_deadline: float
    watchdog: Watchdog

    def opener(self, fh: int) -> int:
        """The process that opened a file; 0 where it is not known."""

    def patience(self, fh: int) -> float:
        """Seconds that a read of an open file may take, where it waits for no transfer."""


Self = TypeVar("Self", bound=Guarded)
Handler = Callable[Concatenate[Self, Parameters], Coroutine[Any, Any, Result]]


def guarded(handler: Handler[Self, Parameters, Result]) -> Handler[Self, Parameters, Result]:
    """For operations that take a few calls at most."""
    return _guard(handler, lambda operations, _: (operations.deadline,) * 2)


def guarded_staging(handler: Handler[Self, Parameters, Result]) -> Handler[Self, Parameters, Result]:
    """For operations that have more time once they wait for a staged transfer or a job."""
    return _guard(handler, lambda operations, _: (operations.deadline, operations.staging_deadline))


def guarded_steps(handler: Handler[Self, Parameters, Result]) -> Handler[Self, Parameters, Result]:
    """For operations of several steps, each with a bound of its own: nothing is left half done."""
    return _guard(handler, lambda operations, _: (operations.staging_deadline,) * 2)


def guarded_reading(handler: Handler[Self, Parameters, Result]) -> Handler[Self, Parameters, Result]:
    """For reads: some files are there to be waited for."""
    return _guard(handler, lambda operations, args: (operations.patience(args[0]), operations.staging_deadline))


def guarded_release(handler: Handler[Self, Parameters, Result]) -> Handler[Self, Parameters, Result]:
    """For what nobody waits for, and that has to be done all the same."""
    return _guard(handler, lambda operations, _: (operations.staging_deadline,) * 2, kept=True)


def guarded_forgetting(
    handler: Callable[Concatenate[Self, Parameters], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[Self, Parameters], Coroutine[Any, Any, None]]:
    """For what the kernel wants no answer to, not even an error."""

    @functools.wraps(handler)
    async def wrapper(self: Self, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        await unharmed(functools.partial(handler, self, *args, **kwargs))

    return wrapper


def _guard(
    handler: Handler[Self, Parameters, Result],
    seconds: Callable[[Self, tuple[Any, ...]], tuple[float, float]],
    *,
    kept: bool = False,
) -> Handler[Self, Parameters, Result]:
    """`seconds`: how long it may take, and how long if it waits for a staged transfer or a job."""
    name = getattr(handler, "__name__", "handler")

    @functools.wraps(handler)
    async def wrapper(self: Self, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            process = _caller(self, args)
            with (
                within(*seconds(self, args)) as deadline,
                self.watchdog.watching(deadline.scope, process, kept=kept) as request,
                asked_by(process),
                _timed(name, deadline, self.deadline),
            ):
                return await handler(self, *args, **kwargs)
        except pyfuse3.FUSEError:
            raise
        except trio.TooSlowError:
            pass
        except (ClusterError, OSError) as error:
            raise pyfuse3.FUSEError(_told(name, error)) from None
        except Exception:
            # A defect of ours must not take the mount down with it.
            logger.exception("%s%s failed", name, args)
            raise pyfuse3.FUSEError(errno.EIO) from None
        if request.interrupted:
            logger.info("%s: nobody waits for it any more", name)
            raise pyfuse3.FUSEError(errno.EINTR)
        logger.warning("%s%s took longer than its deadline", name, args)
        raise pyfuse3.FUSEError(errno.ETIMEDOUT)

    return wrapper


@contextlib.contextmanager
def _timed(name: str, deadline: Deadline, seconds: float) -> Iterator[None]:
    """Note what takes longer than `seconds` though it waits for no transfer and no job."""
    began = trio.current_time()
    try:
        yield
    finally:
        took = trio.current_time() - began
        if took > seconds and not deadline.put_off and not deadline.over:
            logger.info("%s took %.0f s, and waited for no transfer and no job", name, took)


def _caller(operations: Guarded, args: tuple[Any, ...]) -> int:
    """The thread that waits; where pyfuse3 does not tell (read, write, flush, fsync), the one that opened it."""
    last = args[-1]
    if isinstance(last, pyfuse3.RequestContext):
        return last.pid
    return operations.opener(args[0])


def _told(name: str, error: Exception) -> int:
    number = errno_of(error)
    level = logging.DEBUG if number in EVERYDAY else logging.INFO
    logger.log(level, "%s: %s: %s", name, errno.errorcode.get(number, number), error)
    return number
