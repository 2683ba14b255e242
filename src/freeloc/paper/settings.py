"""Settings of a reproduction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freeloc.nn.backbones.registry import DEFAULT_BACKBONE
from freeloc.runtime import Precision, Runtime

__all__ = ["ReproductionSettings"]


@dataclass(frozen=True, slots=True)
class ReproductionSettings:
    """Settings of a study.

    Attributes:
        backbone: name of the backbone shared by all rows.
        weights: weight file of the backbone; None for the default weights.
        epochs: epochs of every model; None for those of each recipe.
        seed: seed of everything random.
        runtime: library that runs the backbone.
        precision: arithmetic of the backbone and the heads.
        cache: folder of feature caches; None: the user's.
        resamples: bootstrap resamples of every interval and every comparison.
        quiet: whether to hide progress.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    epochs: int | None = None
    seed: int = 0
    runtime: Runtime = "auto"
    precision: Precision = "auto"
    cache: Path | None = None
    resamples: int = 1000
    quiet: bool = False
