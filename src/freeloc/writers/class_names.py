"""Refuse names that a format cannot hold, instead of changing them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from freeloc._class_names import quote_names
from freeloc.errors import OutputError

__all__ = ["check_names"]


def check_names(
    names: Iterable[str], refused: re.Pattern[str], format_name: str, reason: str, what: str = "classes"
) -> None:
    """Check that a format can hold names.

    Args:
        names: the names.
        refused: what no name may contain.
        format_name: name of the format.
        reason: why names that contain it cannot be held.
        what: noun for what has these names.

    Raises:
        OutputError: it cannot; the message lists the names that it refuses.
    """
    found = [name for name in names if refused.search(name)]
    if found:
        raise OutputError(
            f"the format {format_name} cannot hold {quote_names(found)}: {reason}; choose another format, or "
            f"rename the {what}"
        )
