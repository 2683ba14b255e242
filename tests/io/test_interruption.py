"""Tests for work that Ctrl-C does not interrupt halfway."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from freeloc.io.atomic import atomic_path
from freeloc.io.interruption import deferred_interrupts


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Let the process be interrupted, although a job in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_before_line(number: int, work: Callable[[], None]) -> bool:
    """Run ``work``, press Ctrl-C before a given line of Python code, also of libraries; return whether it exists."""
    line = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal line
        if event == "line":
            line += 1
            if line == number:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return line >= number


def write_archive(path: Path) -> None:
    with atomic_path(path) as temporary, deferred_interrupts(), temporary.open("wb") as file:
        np.savez(file, first=np.zeros(3), second=np.ones(3))


def test_an_archive_interrupted_at_any_line_raises_the_interrupt_and_leaves_nothing_unfinished(
    tmp_path: Path,
) -> None:
    path = tmp_path / "arrays.npz"
    write_archive(path)  # modules are imported, and the folder is searched for abandoned files
    content = path.read_bytes()
    path.unlink()
    number = 0
    while True:
        number += 1
        try:
            if not press_before_line(number, lambda: write_archive(path)):
                break
        except KeyboardInterrupt:
            pass
        assert list(tmp_path.iterdir()) in ([], [path])
        path.unlink(missing_ok=True)
    assert number > 100
    assert path.read_bytes() == content


def test_the_block_ends_before_the_interrupt() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        signal.raise_signal(signal.SIGINT)
        done.append("rest of the block")
    assert done == ["rest of the block"]
    with pytest.raises(KeyboardInterrupt):  # the handler is the one of before
        signal.raise_signal(signal.SIGINT)


def test_an_error_of_the_block_passes() -> None:
    with pytest.raises(ValueError, match="of the block"), deferred_interrupts():
        raise ValueError("of the block")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_process_that_ignores_ctrl_c_is_not_interrupted() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_other_threads_run_the_block_as_it_is() -> None:
    done = []

    def work() -> None:
        with deferred_interrupts():
            done.append(threading.current_thread().name)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    assert done == ["worker"]
