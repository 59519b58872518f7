"""Sandboxes for all tests: each one a process of its own over a temporary directory."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess

pytest_plugins = ("tests.long_cases",)

# Who runs the tests in the background has SIGINT ignored, and what is ignored the programs of the tests inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """One sandbox with the default settings for the whole session. Tests must not stop it."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> Iterator[SandboxProcess]:
    """The session's sandbox with no faults on, and no calls counted yet."""
    sandbox_process.clear_faults()
    sandbox_process.reset_calls()
    yield sandbox_process
    sandbox_process.clear_faults()


@pytest.fixture
def start_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., SandboxProcess]]:
    """Start sandboxes with settings of one's own (fields of SandboxSettings); they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(**settings: Any) -> SandboxProcess:
            return stack.enter_context(SandboxProcess(tmp_path_factory.mktemp("sandbox"), **settings))

        yield start


@pytest.fixture(scope="session")
def slurm_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """One sandbox with a real Slurm for the whole session. Tests must not stop it."""
    with SandboxProcess(tmp_path_factory.mktemp("slurm"), scheduler="slurm") as sandbox:
        yield sandbox


@pytest.fixture
def slurm(slurm_process: SandboxProcess) -> Iterator[SandboxProcess]:
    """The session's sandbox with a real Slurm, no faults on, and an empty home."""
    slurm_process.clear_faults()
    slurm_process.reset_calls()
    for entry in slurm_process.home.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    yield slurm_process
    slurm_process.clear_faults()
