"""Presets, named trade-offs between accuracy and time."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc._literals import Preset

__all__ = ["PRESETS", "Preset", "ScalePlan"]


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """The scales at which an image is scored.

    Attributes:
        scales: the scales, in the order in which they are computed.
        early_exit_after: number of scales after which an image is finished if every class is decided; None
            computes all scales of every image.
    """

    scales: tuple[float, ...]
    early_exit_after: int | None = None


PRESETS: dict[Preset, ScalePlan | None] = {
    "fast": ScalePlan((1.4,)),
    "balanced": ScalePlan((0.7, 1.4, 2.0), early_exit_after=2),
    "best": None,
}
"""Scales of each preset; None means the model's default scales. "fast" processes an eighth as many pixels as the
paper's six scales. "balanced" processes three tenths as many on images such as those of Pascal VOC, half of which
require the third scale. In int8, both presets lie on the measured Pareto frontier of accuracy and time over all
backbones and all subsets of the six scales (docs/method.md)."""
