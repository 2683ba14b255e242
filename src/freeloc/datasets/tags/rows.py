"""Define the rows that all kinds of tag lists share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from freeloc._literals import MinusOne
from freeloc.datasets.problems import ProblemKind
from freeloc.datasets.tag_rules import TagRules
from freeloc.io.paths import existing_name

__all__ = [
    "NO_FILE_NAME",
    "RowProblem",
    "TagRow",
    "TagSource",
    "TagTable",
    "is_split_name",
    "split_of_path",
]

_SPLIT_NAME = re.compile(
    r"(train|training|val|valid|validation|trainval|test|testing|dev|eval|evaluation|holdout)"
    r"([\s_-]*(set|data|images|imgs|\d+))?",
    re.IGNORECASE,
)


def is_split_name(name: str) -> bool:
    """Return whether a name usually denotes a split, such as ``train``, ``Valid`` or ``test_images``."""
    return _SPLIT_NAME.fullmatch(name) is not None


class RowProblem(NamedTuple):
    """A problem with one row; ``file`` and ``line`` say where it is, if it is not where the row is."""

    kind: ProblemKind
    message: str
    line: int | None = None
    file: Path | None = None


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
        problems: problems with the list as a whole, which leaving out images does not solve.
        left_out: for a list with one column per class, the columns of labels that were not chosen.
    """

    file: Path
    rows: tuple[TagRow, ...]
    columns: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    line: int | None = None
    problems: tuple[RowProblem, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TagSource:
    """A tag list to read.

    Attributes:
        file: the file that contains the list.
        folder: the folder to which the file names in the list are relative.
        split: the split of all rows that do not specify one.
        classes: the chosen classes, or None for all.
        minus_one: what −1 means in a list with one column per class; None if the caller did not say.
        rules: how tags become classes.
    """

    file: Path
    folder: Path
    split: str | None = None
    classes: tuple[str, ...] | None = None
    minus_one: MinusOne | None = None
    rules: TagRules = field(default_factory=TagRules)

    def wanted(self, names: Iterable[str]) -> tuple[str, ...] | None:
        """Return those names in the list that belong to chosen classes, and the names of these; None if all do."""
        return None if self.classes is None else self.rules.chosen(names, self.classes)

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
        row_split = split or self.split or split_of_path(name)
        image = self.folder / name if name else None
        return TagRow(self.file, line, image, row_split, tags, unknown, tuple(problems))


def split_of_path(name: str) -> str | None:
    """Return the top folder of a file name if it denotes a split."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    return parts[0] if len(parts) > 1 and is_split_name(parts[0]) else None
