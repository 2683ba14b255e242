"""Limits of the system on the running process, lowered for a few statements."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["file_size_limit", "no_more_files"]


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let every attempt to open a file fail."""
    resource = pytest.importorskip("resource", reason="this system has no limits on a process")
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    with _limit(resource.RLIMIT_NOFILE, lowest):
        yield


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let every attempt to write more than ``size`` bytes to a file fail."""
    resource = pytest.importorskip("resource", reason="this system has no limits on a process")
    with _limit(resource.RLIMIT_FSIZE, size):
        yield


@contextmanager
def _limit(kind: int, value: int) -> Iterator[None]:
    import resource

    before, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (before, hard))
