"""The options that say how tags become classes, as functions and commands take them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from freeloc._literals import Untagged
from freeloc._validation import check_value
from freeloc.datasets.aliases import read_aliases
from freeloc.datasets.tag_rules import TagRules

__all__ = ["TagOptions", "options_for_same_classes", "read_rules"]


class TagOptions(TypedDict, total=False):
    """The options of `freeloc.datasets.open_dataset.open_dataset` that say how tags become classes.

    `TagRules` explains them, and defines their defaults. ``aliases`` is a file, or a dictionary that lists the
    other names of each class; see `freeloc.datasets.aliases.read_aliases`.
    """

    aliases: str | os.PathLike[str] | Mapping[str, Sequence[str]] | None
    fold_case: bool
    min_images: int
    untagged: Untagged


def read_rules(options: TagOptions) -> TagRules:
    """Return the rules that options describe, and read the file of aliases.

    Raises:
        DataProblems: the file of aliases has problems.
        MissingDatasetError: the file of aliases does not exist.
        ConfigurationError: an option is not valid.
    """
    rest: dict[str, Any] = {name: value for name, value in options.items() if name != "aliases"}
    fold_case = check_value("fold_case", rest.get("fold_case", False), bool)
    source = check_value("aliases", options.get("aliases"), _ALIASES)
    if source is None:
        return TagRules(**rest)
    source = source if isinstance(source, Mapping) else Path(source)
    return TagRules(read_aliases(source, fold_case=fold_case), **rest)


def options_for_same_classes(options: Mapping[str, Any]) -> TagOptions:
    """Return the options for other images that are opened with the classes of a dataset.

    These are all but ``min_images``, which says how many images a class needs in order to be learned.

    Args:
        options: the options of the dataset, among others.
    """
    names = TagOptions.__annotations__.keys() - {"min_images"}
    chosen: Any = {name: value for name, value in options.items() if name in names}
    return cast("TagOptions", chosen)


_ALIASES: Final = str | os.PathLike | Mapping | None
