"""Choose the images of one split of a dataset that was read as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from freeloc.datasets.builder import DatasetBuilder
from freeloc.errors import DatasetOptionError

__all__ = ["select_rows"]


class _Row(Protocol):
    @property
    def image(self) -> Path | None: ...

    @property
    def split(self) -> str | None: ...


Row = TypeVar("Row", bound=_Row)


def select_rows(rows: Iterable[Row], split: str | None, path: Path, builder: DatasetBuilder) -> list[Row]:
    """Return the rows of a split, including rows that cannot be parsed, because they may belong to any split.

    Args:
        rows: the rows; ``image`` is None if a row does not name one, and ``split`` if it is in no split.
        split: name of the split, in any case if none has exactly this name; None for all rows.
        path: the dataset, for the error.
        builder: the builder, whose problems may explain why there are no rows.

    Raises:
        DatasetOptionError: no row is in the split.
    """
    rows = list(rows)
    if split is None:
        return rows
    selected = [row for row in rows if row.split == split or (row.image is None and row.split is None)]
    if not any(row.split == split for row in rows):
        # "train" also selects the folder "Train".
        folded = split.casefold()
        selected += [row for row in rows if row.split is not None and row.split.casefold() == folded]
    if not selected and not builder.has_problems:
        counts = Counter(row.split for row in rows if row.split is not None)
        known = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise DatasetOptionError(
            f"{path} has no images in the split {split!r}: it has {known or 'no splits'}",
            path=path,
            parameter="split",
        )
    return selected
