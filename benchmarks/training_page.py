"""The part of the page of results that is about training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from benchmarks.markdown import QUICK, figure, table, times

__all__ = ["BACKBONE", "CACHED", "CANVASES", "EPOCH", "FORWARD", "PLAIN", "SQUARES", "training_blocks"]

# What is compared from the cache.
CACHED = "freeloc, from the cache"
SQUARES = "the plain loop, padded to squares"
PLAIN = "the plain loop on freeloc's canvases"
FORWARD = "the head's forward pass alone"

# What is compared without one.
EPOCH = "an epoch without a cache"
BACKBONE = "the backbone alone, canvases in memory"
CANVASES = "decoding and resizing alone"

Section: TypeAlias = Mapping[str, Any]


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
        yield QUICK
    yield (
        f"Seconds of one epoch of {section['images']} images ({section['data']}, `{section['backbone']}`), "
        f"from {sample['steps']} mini-batches of {sample['images']} images, as many at every training "
        f"scale. The search ran in {section['search']}."
    )
    faster = section["times_faster"]
    rows = [
        (name, figure(section["seconds_per_epoch"][name]), times(faster[name]) if name in faster else "")
        for name in (SQUARES, PLAIN, CACHED, FORWARD)
    ]
    yield table(("", "seconds an epoch", "freeloc is faster"), rows)
    yield f"A step takes {times(section['times_the_forward_pass'])} the head's forward pass."


def _live(section: Section) -> Iterator[str]:
    yield "### Without a cache"
    if section["quick"]:
        yield QUICK
    yield (
        f"{section['images']} images of {section['data']}, `{section['backbone']}`, {section['network']}, "
        "a scale for every mini-batch."
    )
    rows = [(name, figure(section["seconds"][name])) for name in (BACKBONE, EPOCH, CANVASES)]
    yield table(("", "seconds"), rows)
    yield (
        f"An epoch takes {times(section['times_the_backbone'])} the backbone's own time; at most 1.3× is "
        "promised. The "
        "last step has no backbone beside it: the fewer images, the more that counts."
    )
