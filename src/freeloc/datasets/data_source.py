"""What a dataset is opened from: a path, or tags in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = ["DataFrame", "DataSource", "TagsInMemory"]


@runtime_checkable
class DataFrame(Protocol):
    """A DataFrame of pandas or polars, neither of which is imported."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""

    def __getitem__(self, name: Any, /) -> Any:
        """Return a column, by its name."""

    def __len__(self) -> int:
        """Return the number of rows."""


TagsInMemory: TypeAlias = Mapping[Any, Any] | DataFrame
"""Tags in memory: the tags of each image by its path, or a DataFrame with the columns of a tag list."""

DataSource: TypeAlias = str | os.PathLike[str] | TagsInMemory
"""What a dataset is opened from: a file or folder, or tags in memory."""
