"""Read the record lists of one large JSON file record by record, each with its line.

A COCO file of 118,000 images holds half a gigabyte of outlines. Decoding it whole takes many times its
size; record by record, what is not needed is dropped at once, and every record's line is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["read_records"]

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


def read_records(text: str, visitors: Mapping[str, Callable[[Any, int], None]]) -> set[str]:
    """Call ``visitors[key](record, line)`` for each record of the top-level list ``key``.

    Args:
        text: a JSON object whose values at ``visitors``' keys are lists.
        visitors: what to call; the other values of the object are passed over.

    Returns:
        The keys of ``visitors`` that the object has.

    Raises:
        json.JSONDecodeError: the text is no such JSON; it knows the line.

    Example:
        >>> text = '{"images": [{"id": 1},' + chr(10) + '{"id": 2}]}'
        >>> read_records(text, {"images": lambda record, line: print(record["id"], line)})
        1 1
        2 2
        {'images'}
    """
    return _Reader(text).read_object(visitors)


class _Reader:
    """A place in the text, and the steps that move it forward."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._line = 1
        self._counted = 0

    def read_object(self, visitors: Mapping[str, Callable[[Any, int], None]]) -> set[str]:
        found: set[str] = set()
        self._expect("{", "the file must hold one JSON object")
        more = not self._take("}")
        while more:
            key = self._value()
            if not isinstance(key, str):
                raise self._error("a key must be a string")
            self._expect(":", "':' is missing after a key")
            if key in visitors:
                found.add(key)
                self._read_list(key, visitors[key])
            else:
                self._value()
            more = self._take(",")
            if not more:
                self._expect("}", "',' or '}' is missing")
        if self._peek():
            raise self._error("something follows the end of the object")
        return found

    def _read_list(self, key: str, visitor: Callable[[Any, int], None]) -> None:
        self._expect("[", f"{key!r} must be a list")
        more = not self._take("]")
        while more:
            self._peek()
            line = self._count_lines()
            visitor(self._value(), line)
            more = self._take(",")
            if not more:
                self._expect("]", "',' or ']' is missing")

    def _value(self) -> Any:
        self._peek()
        try:
            value, self._place = _DECODER.raw_decode(self._text, self._place)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            # Python reads no whole number of more than some thousand digits.
            raise self._error("a number in this value has too many digits") from error
        return value

    def _peek(self) -> str:
        """Skip white space; the next character, or nothing at the end."""
        space = _SPACE.match(self._text, self._place)
        self._place = space.end() if space else self._place
        return self._text[self._place : self._place + 1]

    def _take(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self._place += 1
        return True

    def _expect(self, character: str, complaint: str) -> None:
        if not self._take(character):
            raise self._error(complaint)

    def _error(self, complaint: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(complaint, self._text, self._place)

    def _count_lines(self) -> int:
        # Counting on from the last record keeps the whole file at one pass.
        self._line += self._text.count("\n", self._counted, self._place)
        self._counted = self._place
        return self._line
