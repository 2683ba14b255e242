"""Pipes, sockets and devices under the name of a file."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")

KINDS = {"pipe": "a pipe", "socket": "a socket", "device": "a device"}


@contextmanager
def special_file(path: Path, kind: str) -> Iterator[Path]:
    """Create a special file for the duration of a test; a device is a link to /dev/zero, which never ends."""
    if kind == "pipe":
        os.mkfifo(path)
        yield path
    elif kind == "device":
        path.symlink_to("/dev/zero")
        yield path
    else:
        with socket.socket(socket.AF_UNIX) as server:
            # The name of a socket is short, so it is bound relative to its folder.
            before = Path.cwd()
            os.chdir(path.parent)
            try:
                server.bind(path.name)
            finally:
                os.chdir(before)
            yield path
    path.unlink()
