"""Presets: how much an image is looked at, from a single glance to the paper's six."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc._choices import Preset
from freeloc.errors import FreelocError

__all__ = ["INT8_PRESETS", "PRESETS", "UNDECIDED_SCORE", "Preset", "ScalePlan", "select_scales"]

UNDECIDED_SCORE = 2.0
"""A class is in doubt where its raw score is nearer to 0 than this: its probability is between 12 and 88%."""


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """Which scales an image is looked at.

    Attributes:
        scales: in this order.
        glance: after so many of them an image is done unless some class is in doubt; None looks at all of them
            whatever the image.
    """

    scales: tuple[float, ...]
    glance: int | None = None


PRESETS: dict[Preset, ScalePlan | None] = {
    "fast": ScalePlan((1.4,)),
    "balanced": ScalePlan((0.7, 1.4, 2.0), glance=2),
    "best": None,
}
"""What each preset looks at; None means the model's own scales. "fast" takes an eighth of the pixels of the
paper's six scales, "balanced" three tenths on images like Pascal VOC's, where it looks at every other one
twice. In int8 both lie on the measured frontier of accuracy against time over backbones and all subsets of the six
(docs/method.md)."""

INT8_PRESETS: frozenset[Preset] = frozenset({"fast", "balanced"})
"""Presets that take a model's int8 network where it carries one: as accurate, at two thirds of the time."""


def select_scales(
    own: tuple[float, ...], scales: tuple[float, ...] | None, preset: Preset | None
) -> ScalePlan:
    """The scales an image is looked at.

    Args:
        own: the model's.
        scales: asked for one by one.
        preset: asked for by name.

    Raises:
        FreelocError: both are given, there is no such preset, or the scales are no list of numbers.
    """
    if preset is not None and preset not in PRESETS:
        raise FreelocError(f"--preset {preset} is unknown: choose one of {', '.join(PRESETS)}")
    if scales is not None and preset is not None:
        raise FreelocError("--preset and --scales both say which scales to look at: give one of them")
    if scales is not None:
        return ScalePlan(_checked(scales))
    return (None if preset is None else PRESETS[preset]) or ScalePlan(own)


def _checked(scales: object) -> tuple[float, ...]:
    if not isinstance(scales, tuple | list):
        raise FreelocError(f"scales are {scales!r}: give a tuple of numbers, such as (0.5, 1, 2)")
    if len(set(scales)) < len(scales):
        listed = ", ".join(f"{scale:g}" for scale in scales)
        raise FreelocError(f"--scales has {listed}: give every scale once")
    return tuple(scales)
