"""Print the classes of a dataset with their numbers of images, and what became of other tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from freeloc.datasets import TagCount, TagReport
    from freeloc.datasets.checks.check import DatasetReport

__all__ = ["tag_table"]

_MAX_CLASSES: Final = 100
"""Number of classes, those in the most images, that the table shows."""

_MAX_LINES: Final = 20
"""Number of classes whose other names are shown."""

_MAX_NAMES: Final = 8
"""Number of tags on a line."""


def tag_table(report: DatasetReport) -> Iterator[str]:
    """Yield the lines of the table: the most frequent classes first, then merged and left-out tags."""
    from freeloc.io.progress import pluralize

    counts = sorted(report.counts().items(), key=lambda item: (-item[1], item[0]))
    for name, count in counts[:_MAX_CLASSES]:
        yield f"{count:8d}  {name}"
    if len(counts) > _MAX_CLASSES:
        rest, most = _classes(len(counts) - _MAX_CLASSES), pluralize(counts[_MAX_CLASSES][1], "image")
        yield f"          and {rest} more in at most {most} (option --json)"
    if report.dataset.tags is not None:
        yield from _changes(report.dataset.tags, len(report.dataset))


def _changes(tags: TagReport, images: int) -> Iterator[str]:
    """Yield what became of the tags that are no classes."""
    from freeloc.io.progress import pluralize

    merged = sorted(tags.merged.items(), key=lambda item: (-len(item[1]), item[0]))
    for name, group in merged[:_MAX_LINES]:
        yield f"merged into {name}: {_list_tags(group)}"
    if len(merged) > _MAX_LINES:
        yield f"merged into {_classes(len(merged) - _MAX_LINES)} more"
    if dropped := tags.left_out_by_aliases:
        yield f"left out by aliases: {_list_tags(dropped)}"
    if unused := tags.unused_aliases:
        more = f" and {len(unused) - _MAX_NAMES} more" if len(unused) > _MAX_NAMES else ""
        yield f"aliases of no tag: {', '.join(map(repr, unused[:_MAX_NAMES]))}{more}"
    if rare := tags.rare:
        least = pluralize(tags.rules.min_images, "image")
        named = sorted(rare.items(), key=lambda item: (-item[1], item[0]))
        yield f"left out in fewer than {least}: {_list_names(named)}"
    if tags.untagged:
        meaning = "absent from them" if tags.rules.untagged == "absent" else "unknown in them"
        share = f"{tags.untagged} of {pluralize(images, 'image')}"
        yield f"without any tag: {share}; every class is {meaning} (option --untagged)"


def _list_tags(tags: Iterable[TagCount]) -> str:
    return _list_names(sorted(((tag.name, tag.images) for tag in tags), key=lambda item: (-item[1], item[0])))


def _list_names(counts: list[tuple[str, int]]) -> str:
    more = f" and {len(counts) - _MAX_NAMES} more" if len(counts) > _MAX_NAMES else ""
    return ", ".join(f"{name!r} ({count})" for name, count in counts[:_MAX_NAMES]) + more


def _classes(count: int) -> str:
    return "1 class" if count == 1 else f"{count} classes"
