"""Refuse names that a format cannot hold, instead of changing them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from freeloc._class_names import quote_names
from freeloc.errors import OutputError

__all__ = ["check_class_names", "check_xml_names"]

_NOT_IN_XML: Final = re.compile("[^\t\n\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML files cannot contain, not even escaped."""


def check_class_names(names: Iterable[str], refused: re.Pattern[str], format_name: str, reason: str) -> None:
    """Check that a format can hold the names of classes.

    Args:
        names: the names.
        refused: what no name may contain.
        format_name: name of the format.
        reason: why names that contain it cannot be held.

    Raises:
        OutputError: it cannot; the message lists the names that it refuses.
    """
    _check(names, refused, format_name, reason, "classes")


def check_xml_names(names: Iterable[str], format_name: str, what: str = "classes") -> None:
    """Check that an XML file can hold names.

    Args:
        names: the names.
        format_name: name of the format.
        what: noun for what has these names.

    Raises:
        OutputError: it cannot; the message lists the names that it refuses.
    """
    reason = "XML cannot contain control characters, nor bytes that are not UTF-8"
    _check(names, _NOT_IN_XML, format_name, reason, what)


def _check(names: Iterable[str], refused: re.Pattern[str], format_name: str, reason: str, what: str) -> None:
    found = [name for name in names if refused.search(name)]
    if found:
        raise OutputError(
            f"the format {format_name} cannot hold {quote_names(found)}: {reason}; choose another format, or "
            f"rename the {what}"
        )
