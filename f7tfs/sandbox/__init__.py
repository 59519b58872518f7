"""A local FirecREST server, v2 and v1, over a directory of this machine."""

from __future__ import annotations

from f7tfs.sandbox.jobs.model import SchedulerMissing
from f7tfs.sandbox.process import SandboxProcess
from f7tfs.sandbox.server import serve_sandbox
from f7tfs.sandbox.settings import FileSystemSetting, SandboxInfo, SandboxSettings

__all__ = [
    "FileSystemSetting",
    "SandboxInfo",
    "SandboxProcess",
    "SandboxSettings",
    "SchedulerMissing",
    "serve_sandbox",
]
