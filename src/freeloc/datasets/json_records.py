"""Streaming reader for record lists in large JSON files, with the line number of each record.

A COCO file of 118,000 images contains half a gigabyte of segmentations, and decoding the whole file at once takes
many times as much memory. Reading one record at a time allows unneeded fields to be discarded immediately. No
maintained library returns the line number of each record without decoding the whole file at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from freeloc.errors import MalformedFileError

__all__ = ["read_items", "read_records"]

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


def read_records(
    file: Path,
    text: str,
    visitors: Mapping[str, Callable[[Any, int], None]],
    values: MutableMapping[str, Any] | None = None,
) -> set[str]:
    """Call ``visitors[key](record, line)`` for each record of the top-level list ``key``.

    Args:
        file: the file that contains the text, for error messages.
        text: a JSON object; each key of ``visitors`` that it contains must have a list, or null for
            an empty list, as its value.
        visitors: for each key, the function to call with each record of its list.
        values: for each further key, what its value is if the object does not contain the key; its value is stored
            here. All other keys are skipped.

    Returns:
        The keys of ``visitors`` that the object contains.

    Raises:
        MalformedFileError: the text is not such a JSON object.

    Example:
        >>> text = '{"images": [{"id": 1},' + chr(10) + '{"id": 2}]}'
        >>> visitors = {"images": lambda record, line: print(record["id"], line)}
        >>> read_records(Path("a.json"), text, visitors)
        1 1
        2 2
        {'images'}
    """
    with _naming(file):
        return _Reader(text).read_object(visitors, {} if values is None else values)


def read_items(file: Path, text: str, visitor: Callable[[Any, int], None]) -> None:
    """Call ``visitor(record, line)`` for each record of a file that contains one list.

    Args:
        file: the file that contains the text, for error messages.
        text: a JSON list.
        visitor: the function to call.

    Raises:
        MalformedFileError: the text is not a JSON list.

    Example:
        >>> read_items(Path("a.json"), "[1," + chr(10) + "2]", lambda record, line: print(record, line))
        1 1
        2 2
    """
    with _naming(file):
        _Reader(text).read_top_list(visitor)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Convert errors of the parser to errors that name the file."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise MalformedFileError(file, error.lineno, f"malformed JSON: {error.msg}") from error
    except RecursionError as error:
        raise MalformedFileError(file, None, "malformed JSON: it is nested too deeply") from error


class _Reader:
    """A parser that keeps its position in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1
        self._counted = 0

    def read_object(
        self, visitors: Mapping[str, Callable[[Any, int], None]], values: MutableMapping[str, Any]
    ) -> set[str]:
        keys: set[str] = set()
        self._expect("{", "the file must contain one JSON object")
        more = not self._skip("}")
        while more:
            key = self._read_value()
            if not isinstance(key, str):
                raise self._error("a key must be a string")
            self._expect(":", "':' is missing after a key")
            if key in visitors:
                keys.add(key)
                self._read_list(key, visitors[key])
            elif key in values:
                values[key] = self._read_value()
            else:
                self._read_value()
            more = self._skip(",")
            if not more:
                self._expect("}", "',' or '}' is missing")
        self._expect_end("object")
        return keys

    def read_top_list(self, visitor: Callable[[Any, int], None]) -> None:
        self._expect("[", "the file must contain one JSON list")
        self._read_list_items(visitor)
        self._expect_end("list")

    def _read_list(self, key: str, visitor: Callable[[Any, int], None]) -> None:
        self._next_character()
        if self._text.startswith("null", self._position):  # Some tools write an empty list as null.
            self._position += len("null")
            return
        self._expect("[", f"{key!r} must be a list")
        self._read_list_items(visitor)

    def _read_list_items(self, visitor: Callable[[Any, int], None]) -> None:
        more = not self._skip("]")
        while more:
            self._next_character()
            line = self._current_line()
            visitor(self._read_value(), line)
            more = self._skip(",")
            if not more:
                self._expect("]", "',' or ']' is missing")

    def _expect_end(self, what: str) -> None:
        if self._next_character():
            raise self._error(f"text follows the end of the {what}")

    def _read_value(self) -> Any:
        self._next_character()
        try:
            value, self._position = _DECODER.raw_decode(self._text, self._position)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            # Python refuses to convert integers of more than a few thousand digits.
            raise self._error("a number in this value has too many digits") from error
        return value

    def _next_character(self) -> str:
        """Skip white space and return the next character, or an empty string at the end of the text."""
        space = _SPACE.match(self._text, self._position)
        self._position = space.end() if space else self._position
        return self._text[self._position : self._position + 1]

    def _skip(self, character: str) -> bool:
        """Skip the next character if it is ``character``, and return whether it was."""
        if self._next_character() != character:
            return False
        self._position += 1
        return True

    def _expect(self, character: str, message: str) -> None:
        if not self._skip(character):
            raise self._error(message)

    def _error(self, message: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, self._position)

    def _current_line(self) -> int:
        # Continue counting from the last record, so that the whole file is scanned only once.
        self._line += self._text.count("\n", self._counted, self._position)
        self._counted = self._position
        return self._line
