"""Judge what happens when freeloc uses the files of one case."""

from __future__ import annotations

import io
import logging
import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeloc._printable import printable
from freeloc.datasets import DataProblems
from freeloc.errors import FreelocError

__all__ = ["Outcome", "Verdict", "judge"]

Verdict = Literal["opened", "refused", "failed", "crashed", "hung"]


@dataclass(frozen=True)
class Outcome:
    """What happened to one case.

    Attributes:
        verdict: "opened" or "refused" if all is well; "failed" for a finding in Python; "crashed" and "hung" if
            the process ended or had to be stopped.
        summary: one line: the error's message, or what is wrong.
        detail: the traceback, or what was printed.
    """

    verdict: Verdict
    summary: str = ""
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether somebody should look at the case."""
        return self.verdict not in {"opened", "refused"}


def judge(use: Callable[[], None], printed_to: Path | None = None) -> Outcome:
    """Call a function and judge its exception, its log and what it prints.

    Args:
        use: the function.
        printed_to: file for what is printed, which can be read if the process crashes; None for a temporary one.
    """
    logged: list[str] = []
    with _collected_log(logged), _captured_stderr(printed_to) as printed:
        outcome = _call(use)
    if outcome.is_finding:
        return outcome
    for message in logged:
        if fault := _fault_of(message, lines=True):
            return Outcome("failed", f"a logged message {fault}", repr(message))
    if printed:
        text = "".join(printed)
        return Outcome("failed", f"something was printed: {text.strip().splitlines()[0][:200]}", text)
    return outcome


def _call(use: Callable[[], None]) -> Outcome:
    try:
        use()
    except FreelocError as error:
        if fault := _fault_of(str(error), lines=isinstance(error, DataProblems)):
            return Outcome("failed", f"the message of a {type(error).__name__} {fault}", _traceback(error))
        if fault := _pickling_fault(error):
            return Outcome("failed", fault, _traceback(error))
        return Outcome("refused", f"{type(error).__name__}: {str(error).splitlines()[0]}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - every other exception is a finding
        return Outcome("failed", f"{type(error).__name__}: {printable(str(error))[:300]}", _traceback(error))
    return Outcome("opened")


def _fault_of(message: str, *, lines: bool) -> str:
    """Return what is wrong with a message; an empty string if nothing is."""
    if not message.strip():
        return "is empty"
    if "\n" in message and not lines:
        return "has several lines"
    if any(printable(line) != line for line in message.split("\n")):
        return "has characters that control a terminal"
    if max(map(len, message.split("\n"))) > 10_000:
        return "has a line of more than 10,000 characters"
    return ""


def _pickling_fault(error: FreelocError) -> str:
    copy = pickle.loads(pickle.dumps(error))
    same = type(copy) is type(error) and str(copy) == str(error)
    return "" if same else f"a {type(error).__name__} changes when it is pickled"


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@contextmanager
def _collected_log(messages: list[str]) -> Iterator[None]:
    """Collect the messages of freeloc's own log, which would otherwise be printed."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, collector = logging.getLogger("freeloc"), Collector(logging.INFO)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def _captured_stderr(path: Path | None) -> Iterator[list[str]]:
    """Collect everything that the process writes to standard error, native libraries included."""
    printed: list[str] = []
    own, text = sys.stderr, io.StringIO()
    with tempfile.TemporaryFile() if path is None else path.open("w+b") as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        sys.stderr = text
        try:
            yield printed
        finally:
            sys.stderr = own
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        printed += [part for part in (text.getvalue(), file.read().decode(errors="replace")) if part]
