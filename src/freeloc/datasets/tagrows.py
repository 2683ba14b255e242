"""Rows of a tag list, whatever kind of list they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from freeloc.datasets.problems import ProblemKind

__all__ = ["NO_NAME", "SPLIT_FOLDERS", "RowFault", "TagRow", "TagSource", "TagTable", "split_tags"]

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
    """One photograph of a tag list.

    Attributes:
        file: the list, or the photograph itself where folders are the list.
        line: the row's first line, counted from 1; None where folders are the list.
        photo: the photograph, or None where the row does not name one.
        split: the part it belongs to, or None.
        tags: classes present.
        unknown: classes whose presence is not known.
        faults: what is wrong with the row.
    """

    file: Path
    line: int | None
    photo: Path | None
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
    """

    file: Path
    folder: Path
    split: str | None = None

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

        A photograph in a sub-folder such as ``train/`` belongs to that split unless the list says otherwise.
        """
        tags, unknown, faults = tuple(tags), tuple(unknown), list(faults)
        if both := sorted(set(tags) & set(unknown)):
            faults.append(RowFault("bad_value", f"{both[0]!r} is both in tags and in unknown_tags"))
        first = name.split("/", 1)[0]
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
