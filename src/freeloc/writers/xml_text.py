"""Text in the XML files of other programs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import quoteattr

from freeloc.writers.class_names import check_names

__all__ = ["check_xml_names", "xml_attributes"]

_REFUSED: Final = re.compile("[^\t\n\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML files cannot contain, not even escaped."""


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
    check_names(names, _REFUSED, format_name, reason, what)


def xml_attributes(**values: object) -> str:
    """Return attributes as they follow the name of an element.

    Example:
        >>> xml_attributes(label="salt & pepper", z_order=0)
        ' label="salt &amp; pepper" z_order="0"'
    """
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in values.items())
