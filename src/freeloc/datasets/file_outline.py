"""Look at the beginning of a file, to recognize its format without reading it whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from freeloc.io.regular_file import open_regular

__all__ = ["JsonOutline", "outline_json", "read_beginning"]

_FIRST_BYTES: Final = 65536

_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|[\[\]{}]', re.DOTALL)
"""A string, with the colon that makes it a key, or a bracket."""


def read_beginning(file: Path) -> str:
    """Return the first 65,536 bytes of a file as text, without byte order marks; empty if it cannot be read."""
    try:
        with open_regular(file) as content:
            return content.read(_FIRST_BYTES).decode(errors="replace").lstrip("\ufeff")
    except OSError:
        return ""


@dataclass(frozen=True)
class JsonOutline:
    """What the beginning of a JSON file shows.

    Attributes:
        kind: whether the file contains an object or a list; empty if neither.
        keys: the keys of the object or, in a list, those of its first object; keys that come after the beginning
            of the file are missing.
    """

    kind: Literal["object", "list", ""]
    keys: frozenset[str]


def outline_json(text: str) -> JsonOutline:
    r"""Return the outline of a JSON file, given its beginning.

    Example:
        >>> sorted(outline_json('{"images": [{"id": 1}], "info": {}, "categ').keys)
        ['images', 'info']
        >>> outline_json('[{"data": {"image": "a.jpg"}}, {"id": 2}]')
        JsonOutline(kind='list', keys=frozenset({'data'}))
    """
    start = text.lstrip()[:1]
    if start not in ("{", "["):
        return JsonOutline("", frozenset())
    kind: Literal["object", "list"] = "object" if start == "{" else "list"
    depth = 1 if kind == "object" else 2
    keys: set[str] = set()
    open_brackets = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            open_brackets += 1
        elif token[0] in "]}":
            open_brackets -= 1
            if open_brackets < depth:
                break
        elif token[2] and open_brackets == depth:
            keys.add(_unescape(token[1]))
    return JsonOutline(kind, frozenset(keys))


def _unescape(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
