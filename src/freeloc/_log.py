"""Loggers of freeloc's modules, whose messages are safe to print.

Messages quote names from files, which could otherwise contain a line break and so pose as another message.
"""

from __future__ import annotations

import logging
from typing import Final

from freeloc._printable import printable_message

__all__ = ["NOTICE", "get_logger", "warn_in_lines"]

NOTICE: Final = (logging.INFO + logging.WARNING) // 2
"""Level of messages that the command line prints, but that a program prints only if it asks for them."""

_IN_LINES: Final = "in_lines"


def get_logger(name: str) -> logging.Logger:
    """Return a module's logger, whose messages go through `freeloc._printable.printable_message`."""
    logger = logging.getLogger(name)
    logger.addFilter(_make_printable)
    return logger


def warn_in_lines(logger: logging.Logger, report: str, *, level: int = logging.WARNING) -> None:
    """Log a message of several lines, which are printable as they are."""
    logger.log(level, "%s", report, extra={_IN_LINES: True})


def _make_printable(record: logging.LogRecord) -> bool:
    if not hasattr(record, _IN_LINES):
        record.msg, record.args = printable_message(record.getMessage()), None
    return True
