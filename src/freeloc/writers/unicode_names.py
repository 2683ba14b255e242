"""Refuse names that are not Unicode, for formats whose files contain only UTF-8."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from freeloc.writers.class_names import check_names

__all__ = ["check_unicode_names"]

_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")
"""What stands for bytes that are not UTF-8 in the names of files, and for damage in JSON files."""


def check_unicode_names(names: Iterable[str], format_name: str, what: str = "classes") -> None:
    """Check that names can be encoded as UTF-8.

    Args:
        names: the names.
        format_name: name of the format.
        what: noun for what has these names.

    Raises:
        OutputError: they cannot; the message lists the names.
    """
    reason = "names must be valid Unicode"
    check_names(names, _LONE_SURROGATES, format_name, reason, what)
