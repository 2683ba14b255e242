"""Waiting for processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from freeloc.runtime.isolated_network import IsolatedNetwork


def number(network: IsolatedNetwork) -> int:
    """Return the number of the process that runs a network."""
    return network._worker._process.pid


def wait_until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.001)


def has_ended(process: int) -> bool:
    """Return whether a process no longer exists, or is only waited for by its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
