"""Combine the rows of tag lists that name the same image, and leave out words for missing tags."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from freeloc._log import get_logger
from freeloc.datasets.tags.cells import is_missing_word
from freeloc.datasets.tags.rows import RowProblem, TagRow, TagSource, TagTable
from freeloc.io.progress import pluralize

__all__ = ["drop_missing_words", "merge_repeated_rows"]

_log = get_logger(__name__)


def drop_missing_words(table: TagTable, source: TagSource) -> TagTable:
    """Leave out tags that are words for a missing value, such as "nan", unless such a class was chosen.

    The log says which words were left out.
    """
    counts = Counter(tag for row in table.rows for tag in row.tags + row.unknown)
    found = [tag for tag in counts if is_missing_word(tag)]
    chosen = source.wanted(found) or ()
    words = {tag: counts[tag] for tag in found if tag not in chosen and not source.rules.is_alias(tag)}
    if not words:
        return table

    def drop(tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tag for tag in tags if tag not in words)

    rows = tuple(replace(row, tags=drop(row.tags), unknown=drop(row.unknown)) for row in table.rows)
    listed = ", ".join(f"{word!r} ({count})" for word, count in sorted(words.items()))
    _log.warning("%s: %s is read as a missing tag; choose classes to make it a class", table.file, listed)
    return replace(table, rows=rows)


def merge_repeated_rows(table: TagTable) -> TagTable:
    """Combine the rows of each image of a list.

    Some lists have one row per image and tag, or per image and object. If each row of an image has at most
    one tag (in a list with one column per class, exactly one), the image gets the tags of all its rows, and
    the log says so. Other repeated rows are left to `freeloc.datasets.builder.DatasetBuilder`, which reports
    them; if they differ, the first row gets a problem as well, because neither row is known to be right.

    Args:
        table: a list of file names with tags.

    Returns:
        The list with one row per image, in the order of the images' first rows, and with the repeated rows
        that could not be combined.
    """
    wide = table.columns is not None
    groups: dict[str | int, list[TagRow]] = defaultdict(list)
    for index, row in enumerate(table.rows):
        groups[index if row.image is None else os.path.normpath(row.image)].append(row)
    if len(groups) == len(table.rows):
        return table
    rows: list[TagRow] = []
    merged: list[Sequence[TagRow]] = []
    for group in groups.values():
        if len(group) == 1:
            rows += group
        elif _can_be_merged(group, wide=wide):
            rows.append(_merge(group))
            merged.append(group)
        else:
            rows += _mark_difference(group, wide=wide)
    if merged:
        first, second, *_ = merged[0]
        _log.warning(
            "%s lists %s in several rows, such as %s in lines %d and %d: their tags are combined",
            *(
                table.file,
                pluralize(len(merged), "image"),
                (first.image or Path()).name,
                first.line,
                second.line,
            ),
        )
    return replace(table, rows=tuple(rows))


def _can_be_merged(rows: Sequence[TagRow], *, wide: bool) -> bool:
    counts = {len(row.tags) for row in rows}
    return len({row.split for row in rows}) == 1 and (counts == {1} if wide else max(counts) <= 1)


def _merge(rows: Sequence[TagRow]) -> TagRow:
    tags = tuple(dict.fromkeys(tag for row in rows for tag in row.tags))
    unknown = tuple(dict.fromkeys(tag for row in rows for tag in row.unknown if tag not in tags))
    problems = tuple(problem._replace(line=row.line) for row in rows for problem in row.problems)
    return replace(rows[0], tags=tags, unknown=unknown, problems=problems)


def _mark_difference(rows: Sequence[TagRow], *, wide: bool) -> list[TagRow]:
    first, *others = rows
    different = next((row for row in others if _says_more(row, first, wide=wide)), None)
    if different is None:
        return [first, *others]
    name = (first.image or Path()).name
    message = f"{name} is listed again in line {different.line}, with another split or other tags"
    return [replace(first, problems=(*first.problems, RowProblem("duplicate_row", message))), *others]


def _says_more(row: TagRow, first: TagRow, *, wide: bool) -> bool:
    """Return whether a repeated row contains anything that the first row does not."""
    tags, known = set(row.tags), set(first.tags)
    # A column says for every class whether it is present; a list of tags may be only a part of them.
    is_known = tags == known if wide else tags <= known
    return row.split != first.split or not is_known or not set(row.unknown) <= set(first.unknown)
