"""Find the column of a tag list that contains the file names of the images, if it is not called ``file_name``."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, Literal

from freeloc._class_names import quote_names
from freeloc.datasets.tags.cells import is_missing_word
from freeloc.datasets.tags.class_folders import is_image_name

__all__ = ["FILE", "FileColumnError", "find_file_column"]

FILE: Final = "file_name"
"""The usual name of the column."""

_FILE_NAME: Final = re.compile(
    r"(the[ _-]?)?((image|img|photo|picture|pic|sample)s?|(image|img|photo|picture|pic)?[ _-]?(files?|paths?))"
    r"([ _-]?(file)?[ _-]?(names?|paths?|id))?",
    re.IGNORECASE,
)
"""Names that columns of file names often have, such as ``filename``, ``image`` or ``Image Path``."""

_NUMBER: Final = re.compile(r"[-+]?\d*\.?\d*")


class FileColumnError(Exception):
    """No column, or more than one, could contain the file names; the message says how to mend it."""


def find_file_column(
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    others: Collection[str] = (),
    *,
    noun: Literal["column", "field"] = "column",
) -> int:
    """Return the index of the only column that contains file names.

    These are columns that contain names of images, such as ``a.jpg``, and otherwise those with a usual name, such
    as ``image``, whose cells are not just numbers. If several contain names of images, their own names decide.

    Args:
        names: the names of the columns.
        cells: the cells of each column, in the order of the rows.
        others: names of columns that contain something else.
        noun: what the columns are called in messages.

    Raises:
        FileColumnError: there is no such column, or more than one.
    """
    if noun == "column" and any(map(is_image_name, names)):
        raise FileColumnError(
            f"the first line names an image instead of the columns: insert a line above it, such as {FILE},tags"
        )
    free = [index for index, name in enumerate(names) if name not in others]
    found = [index for index in free if _has_image_names(cells[index])]
    named = [index for index in free if _FILE_NAME.fullmatch(names[index])]
    if len(found) > 1:
        found = [index for index in found if index in named] or found
    elif not found:
        found = [index for index in named if not all(map(_NUMBER.fullmatch, cells[index]))]
    if len(found) == 1:
        return found[0]
    if found:
        listed = quote_names((names[index] for index in found), "or")
        raise FileColumnError(f"the file names could be in {noun} {listed}: call the right one {FILE!r}")
    given = [name for name in names if name]
    if not given:
        raise FileColumnError(f"the header has no column {FILE!r}: it is empty")
    owner = "the header has" if noun == "column" else "the objects have"
    listed = ", ".join(map(repr, given))
    raise FileColumnError(
        f"{owner} no {noun} {FILE!r}, only {listed}: give that name to the {noun} of the file names"
    )


def _has_image_names(cells: Sequence[str]) -> bool:
    """Return whether at least half of the filled cells are names of image files."""
    filled = [cell for cell in cells if cell and not is_missing_word(cell)]
    return bool(filled) and 2 * sum("://" not in cell and is_image_name(cell) for cell in filled) >= len(
        filled
    )
