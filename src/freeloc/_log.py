"""Loggers of freeloc's modules, whose messages are safe to print.

Messages quote names from files, which could otherwise contain a line break and so pose as another message.
"""

from __future__ import annotations

import logging
from typing import Final

from freeloc._printable import printable_message

__all__ = ["get_logger", "warn_in_lines"]

_IN_LINES: Final = "in_lines"


def get_logger(name: str) -> logging.Logger:
    """Return a module's logger, whose messages go through `freeloc._printable.printable_message`."""
    logger = logging.getLogger(name)
    logger.addFilter(_make_printable)
    return logger


def warn_in_lines(logger: logging.Logger, report: str) -> None:
    """Log a warning of several lines, which are printable as they are."""
    logger.warning("%s", report, extra={_IN_LINES: True})


def _make_printable(record: logging.LogRecord) -> bool:
    if not hasattr(record, _IN_LINES):
        record.msg, record.args = printable_message(record.getMessage()), None
    return True
