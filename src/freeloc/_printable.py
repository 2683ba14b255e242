"""Escape the characters that must not reach a terminal, a report or a figure as they are.

Class names, file names and the fields of models may come from damaged or malicious files. A terminal would execute
the control sequences in them, bidirectional controls would reorder the text around them, invisible characters
would make different names look equal, and a line break would let a name pose as another message. Everything that
freeloc prints therefore goes through `printable`. Files in machine-readable formats contain the names unchanged.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

__all__ = [
    "JOINERS",
    "is_needed_joiner",
    "json_printable",
    "printable",
    "printable_lines",
    "printable_message",
]

JOINERS: Final = re.compile("[\u200c\u200d]")
"""Zero-width non-joiner and joiner, which some scripts and emoji need."""

_FIRST_JOINING: Final = "\u0600"
"""The first character of the scripts in which joiners have an effect; Latin, Greek and Cyrillic come before."""

_BLANK_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Invisible characters that Unicode classifies as letters or marks."""

_LONGEST_MESSAGE: Final = 6000
"""Number of characters that are kept of a message. The longest path of most systems has 4096."""

_SHORT_ESCAPES: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


class _Escapes(dict[int, "int | str"]):
    """A table for `str.translate`, to which each character is added when it first occurs."""

    def __init__(self, escape: Callable[[str], str]) -> None:
        super().__init__()
        self._escape = escape

    def __missing__(self, code: int) -> int | str:
        char = chr(code)
        self[code] = code if _is_printable(char) else self._escape(char)
        return self[code]


def printable(text: str) -> str:
    r"""Return text that fits on one line and has no effect but to be read.

    Control, format and other invisible characters become escapes as in Python: ``\x1b``, ``\n``, ``\u202e``. A
    byte of a file name that is not valid UTF-8 becomes ``\xff``. All other text is returned unchanged, including
    the joiners that a script needs.

    Example:
        >>> print(printable("dog\x1b[31m\ncat"))
        dog\x1b[31m\ncat
    """
    if text.isprintable() and text.isascii():
        return text
    if not JOINERS.search(text):
        return text.translate(_ESCAPES)
    return "".join(
        char if JOINERS.match(char) and is_needed_joiner(text, index) else char.translate(_ESCAPES)
        for index, char in enumerate(text)
    )


def printable_message(text: str) -> str:
    """Return the `printable` text of a message, without the middle of one that would fill several screens.

    A damaged file may contain names of megabytes.
    """
    text = printable(text)
    if len(text) <= _LONGEST_MESSAGE:
        return text
    end = _LONGEST_MESSAGE // 3
    start = _LONGEST_MESSAGE - end
    # The cut may leave a joiner without the letter that needs it.
    return printable(f"{text[:start]} [{len(text) - _LONGEST_MESSAGE} more characters] {text[-end:]}")


def is_needed_joiner(text: str, index: int) -> bool:
    """Return whether the joiner or non-joiner at an index stands between visible characters that need it."""
    neighbors = text[max(index - 1, 0) : index], text[index + 1 : index + 2]
    return all(neighbor >= _FIRST_JOINING and _is_printable(neighbor) for neighbor in neighbors)


def printable_lines(text: str) -> str:
    r"""Apply `printable` to each line of a text whose line breaks are intended."""
    return "\n".join(map(printable, text.split("\n")))


def json_printable(text: str) -> str:
    r"""Replace the same characters in JSON by JSON escapes, which leave all values unchanged.

    Args:
        text: the output of `json.dumps`, which has already escaped the control characters of ASCII.
    """
    return text if text.isascii() and "\x7f" not in text else text.translate(_JSON_ESCAPES)


def _is_printable(char: str) -> bool:
    if char in _BLANK_LETTERS:
        return False
    # str.isprintable rejects all spaces except the ASCII space, but spaces are harmless and occur in file names.
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python represents a byte of a file name that is not valid UTF-8
        code -= 0xDC00
    if code < 0x100:
        return _SHORT_ESCAPES.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    if char < " ":  # not in a string: json.dumps has escaped these in strings
        return char
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


_ESCAPES: Final = _Escapes(_escape)
_JSON_ESCAPES: Final = _Escapes(_json_escape)
