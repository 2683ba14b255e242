"""Rows of a tag list, whatever kind of list they come from."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from freeloc.datasets.problems import ProblemKind
from freeloc.io.paths import existing_name
from freeloc.io.text import is_encodable

__all__ = [
    "NO_NAME",
    "SPLIT_FOLDERS",
    "RowFault",
    "TagRow",
    "TagSource",
    "TagTable",
    "checked_tags",
    "parse_cell",
    "split_tags",
]

SPLIT_FOLDERS = ("train", "val", "test", "trainval", "valid", "validation", "dev")
"""Folder names that mean a split and never a class."""

_SEPARATORS = re.compile(r"[,;|]")


class RowFault(NamedTuple):
    """What is wrong with one row."""

    kind: ProblemKind
    message: str


NO_NAME = RowFault("bad_value", "the row has no file_name")


@dataclass(frozen=True, slots=True)
class TagRow:
    """One image of a tag list.

    Attributes:
        file: the list, or the image itself where folders are the list.
        line: the row's first line, counted from 1; None where folders are the list.
        image: the image, or None where the row does not name one.
        split: the part it belongs to, or None.
        tags: classes present.
        unknown: classes whose presence is not known.
        faults: what is wrong with the row.
    """

    file: Path
    line: int | None
    image: Path | None
    split: str | None = None
    tags: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    faults: tuple[RowFault, ...] = ()


@dataclass(frozen=True, slots=True)
class TagTable:
    """All rows of one list.

    Attributes:
        file: the list, or the folder of class folders.
        rows: in the list's order.
        columns: the classes of a list with one column per class, in the order of the columns; else None.
        names: classes that are known without any row, such as empty class folders.
        line: line of the header, for lists that have one.
    """

    file: Path
    rows: tuple[TagRow, ...]
    columns: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True)
class TagSource:
    """Where a list stands.

    Attributes:
        file: the list.
        folder: what its file names are relative to.
        split: the part that all its rows belong to unless they say otherwise.
        classes: the classes asked for, or None for all.
    """

    file: Path
    folder: Path
    split: str | None = None
    classes: tuple[str, ...] | None = None

    def broken_row(self, line: int, message: str) -> TagRow:
        """A row that cannot be read."""
        return TagRow(self.file, line, None, self.split, faults=(RowFault("malformed_row", message),))

    def row(
        self,
        line: int,
        name: str,
        split: str,
        *,
        tags: Iterable[str] = (),
        unknown: Iterable[str] = (),
        faults: Iterable[RowFault] = (),
    ) -> TagRow:
        """A row as the list gives it; an empty ``split`` means that it gives none.

        An image in a sub-folder such as ``train/`` belongs to that split unless the list says otherwise.
        """
        tags, unknown, faults = tuple(tags), tuple(unknown), list(faults)
        if both := sorted(set(tags) & set(unknown)):
            faults.append(RowFault("bad_value", f"{both[0]!r} is both in tags and in unknown_tags"))
        name = existing_name(self.folder, name)
        first = re.split(r"[/\\]", name, maxsplit=1)[0]
        part = split or self.split or (first if first in SPLIT_FOLDERS else None)
        return TagRow(
            self.file, line, self.folder / name if name else None, part, tags, unknown, tuple(faults)
        )


def split_tags(cell: str) -> tuple[str, ...]:
    """Tags of one cell, separated by comma, semicolon or bar.

    Example:
        >>> split_tags("dog, person|sofa;")
        ('dog', 'person', 'sofa')
    """
    return tuple(tag for part in _SEPARATORS.split(cell) if (tag := part.strip()))


def parse_cell(cell: str, column: str, faults: list[RowFault]) -> tuple[str, ...]:
    """Tags of one cell: a list of strings in brackets, as pandas and JSON write it, or else as `split_tags`.

    Args:
        cell: the text, without white space at its ends.
        column: where it stands, for the message.
        faults: takes what is wrong with the cell, if anything.

    Example:
        >>> parse_cell("['salt, pepper', 'dog']", "tags", [])
        ('salt, pepper', 'dog')
        >>> parse_cell("dog|sea", "tags", [])
        ('dog', 'sea')
    """
    if not (cell.startswith("[") and cell.endswith("]")):
        return checked_tags(list(split_tags(cell)), column, faults)
    value = _parse_list(cell)
    return checked_tags(cell if value is None else value, column, faults)


def checked_tags(value: object, column: str, faults: list[RowFault]) -> tuple[str, ...]:
    """The tags of a list of strings, each without white space at its ends; anything else is a fault."""
    if not (isinstance(value, list) and all(isinstance(tag, str) and tag.strip() for tag in value)):
        faults.append(RowFault("bad_value", f"{column} is {value!r}, not a list of strings"))
        return ()
    if strange := [tag for tag in value if not is_encodable(tag)]:
        faults.append(RowFault("bad_value", f"{column} has {strange[0]!r}, which UTF-8 cannot write"))
        return ()
    return tuple(tag.strip() for tag in value)


def _parse_list(cell: str) -> object:
    """The value of a cell in brackets, or None if it is neither JSON nor a Python literal."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            # Python warns of unusual escapes such as "\\d".
            warnings.simplefilter("ignore")
            value: object = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    # NumPy writes no commas, and Python would join the strings: ['dog' 'cat'] is 'dogcat'.
    tokens = tokenize.generate_tokens(io.StringIO(cell).readline)
    strings = sum(token.type == tokenize.STRING for token in tokens)
    return value if isinstance(value, list) and strings == len(value) else None
