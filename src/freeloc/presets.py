"""Presets: how much a photograph is looked at, from one glance to the paper's six."""

from __future__ import annotations

from typing import Literal

from freeloc.errors import FreelocError

__all__ = ["PRESETS", "WITH_INT8", "Preset", "chosen_scales"]

Preset = Literal["fast", "balanced", "best"]

PRESETS: dict[Preset, tuple[float, ...] | None] = {
    "fast": (0.7, 1.4),
    "balanced": (1.0, 2.0),
    "best": None,
}
"""Scales of each preset; None means the model's own. They lie on the measured frontier of accuracy against time
over all subsets of the paper's six scales (docs/method.md): a sixth and a third of the pixels of all six."""

WITH_INT8: frozenset[Preset] = frozenset({"fast", "balanced"})
"""Presets that take a model's int8 network where it carries one: as accurate on the fused way to the point, at two
thirds of the time."""


def chosen_scales(
    own: tuple[float, ...], scales: tuple[float, ...] | None, preset: Preset | None
) -> tuple[float, ...]:
    """The scales a photograph is looked at.

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
        return _checked(scales)
    return own if preset is None else PRESETS[preset] or own


def _checked(scales: object) -> tuple[float, ...]:
    if not isinstance(scales, tuple | list):
        raise FreelocError(f"scales are {scales!r}: give a tuple of numbers, such as (0.5, 1, 2)")
    if len(set(scales)) < len(scales):
        listed = ", ".join(f"{scale:g}" for scale in scales)
        raise FreelocError(f"--scales has {listed}: give every scale once")
    return tuple(scales)
