"""The daemon's process: its log, its last words, and its exit code."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from f7tfs import log
from f7tfs.config import ClientCredentials, Credentials, MountSettings
from f7tfs.errors import UserError
from f7tfs.mount.background import Report
from f7tfs.mount.credentials import unlocked, use_network_settings
from f7tfs.mount.daemon import run_mount
from f7tfs.mount.failure import leaves, told
from f7tfs.mount.notify import notify
from f7tfs.mount.runtime import log_file

_log = logging.getLogger(__name__)

TURN = 0.0005
"""Seconds after which a thread that computes lets another one: who moves bulk data must not keep the one waiting that
answers the kernel. Python's own 5 ms are as long as several requests."""
LEFT = 3
"""The exit code of a mount that ended well, but with changes that are sent at the next one."""


def run_in_foreground(
    settings: MountSettings, mountpoint: Path, ready_fd: int | None, again: Callable[[], MountSettings]
) -> int:
    """Serve a mount until it ends; returns the process's exit code.

    `again` reads the settings anew, for other credentials than those that are refused.
    With `ready_fd` this is a daemon: it logs to its file and reports on that descriptor. Raises UserError when there
    is a terminal to tell instead.
    """
    report = Report(ready_fd)
    file = None if ready_fd is None else log_file(mountpoint)
    log.set_up(debug=settings.options.debug, file=file)
    # `kill -USR1` shows where every thread is; `all_threads` is the default.
    faulthandler.register(signal.SIGUSR1)
    sys.setswitchinterval(TURN)
    if file is not None:
        # A daemon must not keep the directory busy that it was started in.
        os.chdir("/")
    try:
        use_network_settings(settings.proxy, settings.ca_file)
        settings = replace(settings, credentials=unlocked(settings.credentials))
        secrets = _secrets(settings.credentials)
        log.set_up(debug=settings.options.debug, file=file, secrets=secrets)

        def read() -> Credentials:
            credentials = unlocked(again().credentials)
            log.hide(_secrets(credentials))
            return credentials

        left = trio.run(run_mount, settings, mountpoint, partial(_ready, report), read)
    except BaseException as error:  # noqa: BLE001 - the process ends here; whatever it was is told
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves(error)):
            return 130
        failure = _failure(error, settings, file)
        if file is None:
            raise failure from None
        report.failed(failure)
        return 1
    notify(STOPPING="1")
    return LEFT if left else 0


def _ready(report: Report, remote: str) -> None:
    report.ready(remote)
    notify(READY="1", STATUS=f"{remote} is mounted")


def _failure(error: BaseException, settings: MountSettings, file: Path | None) -> UserError:
    known = told(error, settings)
    if known is not None:
        _log.error("%s", known, exc_info=error if settings.options.debug else None)
        return known
    _log.error("the mount ended by a defect", exc_info=error)
    where = f"its log tells where: {file}" if file else "--debug shows where"
    return UserError(f"unexpected {type(error).__name__}: {error}", where)


def _secrets(credentials: Credentials) -> list[str]:
    return [credentials.client_secret or ""] if isinstance(credentials, ClientCredentials) else []
