"""The part of the page of results that is about training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmarks.head_training import CACHED, FORWARD, PLAIN, SQUARES
from benchmarks.live_training import CANVASES, EPOCH, TRUNK

__all__ = ["training_blocks"]

Section: TypeAlias = Mapping[str, Any]

_QUICK = "> **A quick run**, to see that it works: these figures mean nothing."


def training_blocks(record: Section) -> Iterator[str]:
    """Blocks of Markdown, to be joined by empty lines; none where nothing of it was measured.

    Args:
        record: what ``benchmarks.json`` holds.
    """
    if "head_training" in record or "live_training" in record:
        yield "## Training on a processor"
    if "head_training" in record:
        yield from _head(record["head_training"])
    if "live_training" in record:
        yield from _live(record["live_training"])


def _head(section: Section) -> Iterator[str]:
    sample = section["sample"]
    yield "### From the cache"
    if section["quick"]:
        yield _QUICK
    yield (
        f"Seconds of one epoch of {section['photographs']} photographs ({section['data']}, `{section['trunk']}`), "
        f"from {sample['steps']} mini-batches of {sample['photographs']} photographs, as many at every training "
        f"scale. The search ran in {section['search']}."
    )
    faster = section["times_faster"]
    rows = [
        (name, _figure(section["seconds_per_epoch"][name]), _times(faster[name]) if name in faster else "")
        for name in (SQUARES, PLAIN, CACHED, FORWARD)
    ]
    yield _table(("", "seconds an epoch", "freeloc is faster"), rows)
    yield f"A step takes {_times(section['times_the_forward_pass'])} the head's forward pass."


def _live(section: Section) -> Iterator[str]:
    yield "### Without a cache"
    if section["quick"]:
        yield _QUICK
    yield (
        f"{section['photographs']} photographs of {section['data']}, `{section['trunk']}`, {section['network']}, "
        "a scale for every mini-batch."
    )
    rows = [(name, _figure(section["seconds"][name])) for name in (TRUNK, EPOCH, CANVASES)]
    yield _table(("", "seconds"), rows)
    yield (
        f"An epoch takes {_times(section['times_the_trunk'])} the trunk's own time; at most 1.3× is promised. The "
        "last step has no trunk beside it: the fewer photographs, the more that counts."
    )


def _figure(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.3g} [{spread['low']:.3g}, {spread['high']:.3g}]"


def _times(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.3g}× [{spread['low']:.3g}, {spread['high']:.3g}]"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
