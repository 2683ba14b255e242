"""Define the rows that all kinds of tag lists share, and parse tags."""

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
    "NO_FILE_NAME",
    "SPLIT_FOLDERS",
    "RowProblem",
    "TagRow",
    "TagSource",
    "TagTable",
    "check_tags",
    "parse_tags",
    "split_tags",
]

SPLIT_FOLDERS = ("train", "val", "test", "trainval", "valid", "validation", "dev")
"""Folder names that always denote a split, never a class."""

_SEPARATORS = re.compile(r"[,;|]")


class RowProblem(NamedTuple):
    """A problem with one row."""

    kind: ProblemKind
    message: str


NO_FILE_NAME = RowProblem("bad_value", "the row has no file_name")


@dataclass(frozen=True, slots=True)
class TagRow:
    """One image of a tag list.

    Attributes:
        file: the file that contains the list, or the image file itself if the list consists of class folders.
        line: number of the row's first line, counted from 1; None if the list consists of class folders.
        image: the image file, or None if the row does not name one.
        split: the split to which the image belongs, or None if it is not specified.
        tags: classes that are present.
        unknown: classes whose presence is unknown.
        problems: problems with the row.
    """

    file: Path
    line: int | None
    image: Path | None
    split: str | None = None
    tags: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class TagTable:
    """All rows of one list.

    Attributes:
        file: the file that contains the list, or the folder that contains the class folders.
        rows: the rows, in the order of the list.
        columns: for a list with one column per class, the classes in the order of the columns; otherwise None.
        class_names: classes that are known independently of the rows, such as empty class folders.
        line: line number of the header, for lists that have one.
    """

    file: Path
    rows: tuple[TagRow, ...]
    columns: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True)
class TagSource:
    """A tag list to read.

    Attributes:
        file: the file that contains the list.
        folder: the folder to which the file names in the list are relative.
        split: the split of all rows that do not specify one.
        classes: the chosen classes, or None for all.
    """

    file: Path
    folder: Path
    split: str | None = None
    classes: tuple[str, ...] | None = None

    def malformed_row(self, line: int, message: str) -> TagRow:
        """Return a `TagRow` for a row that cannot be parsed."""
        return TagRow(self.file, line, None, self.split, problems=(RowProblem("malformed_row", message),))

    def row(
        self,
        line: int,
        name: str,
        split: str,
        *,
        tags: Iterable[str] = (),
        unknown: Iterable[str] = (),
        problems: Iterable[RowProblem] = (),
    ) -> TagRow:
        """Return a row with the given values; an empty ``split`` means that the list does not specify one.

        An image in a subfolder such as ``train/`` belongs to that split unless the list specifies another.
        """
        tags, unknown, problems = tuple(tags), tuple(unknown), list(problems)
        if both := sorted(set(tags) & set(unknown)):
            problems.append(RowProblem("bad_value", f"{both[0]!r} is in both tags and unknown_tags"))
        name = existing_name(self.folder, name)
        top_folder = re.split(r"[/\\]", name, maxsplit=1)[0]
        row_split = split or self.split or (top_folder if top_folder in SPLIT_FOLDERS else None)
        image = self.folder / name if name else None
        return TagRow(self.file, line, image, row_split, tags, unknown, tuple(problems))


def split_tags(cell: str) -> tuple[str, ...]:
    """Split the text of one cell into tags at commas, semicolons and vertical bars.

    Example:
        >>> split_tags("dog, person|sofa;")
        ('dog', 'person', 'sofa')
    """
    return tuple(tag for part in _SEPARATORS.split(cell) if (tag := part.strip()))


def parse_tags(cell: str, column: str, problems: list[RowProblem]) -> tuple[str, ...]:
    """Parse the tags in one cell: a bracketed list of strings, as written by pandas or JSON, or separated tags.

    Separated tags are split by `split_tags`.

    Args:
        cell: the text, without leading or trailing white space.
        column: name of the column, for error messages.
        problems: list to which any problem with the cell is added.

    Example:
        >>> parse_tags("['salt, pepper', 'dog']", "tags", [])
        ('salt, pepper', 'dog')
        >>> parse_tags("dog|sea", "tags", [])
        ('dog', 'sea')
    """
    if not (cell.startswith("[") and cell.endswith("]")):
        return check_tags(list(split_tags(cell)), column, problems)
    value = _parse_list(cell)
    return check_tags(cell if value is None else value, column, problems)


def check_tags(value: object, column: str, problems: list[RowProblem]) -> tuple[str, ...]:
    """Check that a value is a list of strings, and return these as tags without surrounding white space.

    For any other value, a problem is added to ``problems``, and the result is empty.
    """
    if not (isinstance(value, list) and all(isinstance(tag, str) and tag.strip() for tag in value)):
        problems.append(RowProblem("bad_value", f"{column} is {value!r}, not a list of strings"))
        return ()
    if not_text := [tag for tag in value if not is_encodable(tag)]:
        message = f"{column} contains {not_text[0]!r}, which UTF-8 cannot encode"
        problems.append(RowProblem("bad_value", message))
        return ()
    return tuple(tag.strip() for tag in value)


def _parse_list(cell: str) -> object:
    """Return the value of a bracketed cell, or None if it is neither JSON nor a Python literal."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            # Python warns about invalid escapes such as "\\d".
            warnings.simplefilter("ignore")
            value: object = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    # NumPy prints arrays without commas, so Python would join the strings: ['dog' 'cat'] would become ['dogcat'].
    tokens = tokenize.generate_tokens(io.StringIO(cell).readline)
    strings = sum(token.type == tokenize.STRING for token in tokens)
    return value if isinstance(value, list) and strings == len(value) else None
