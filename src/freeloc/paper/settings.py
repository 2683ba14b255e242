"""Settings of a reproduction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freeloc.errors import check_seed
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE
from freeloc.runtime import Precision, Runtime

__all__ = ["ReproductionSettings"]


@dataclass(frozen=True, slots=True)
class ReproductionSettings:
    """Settings of a study.

    Attributes:
        backbone: name of the backbone shared by all rows.
        weights: weight file of the backbone; None for the default weights.
        epochs: number of epochs for which every model is trained; None uses the number in each model's recipe.
        seed: random seed for training and for bootstrap resampling.
        runtime: library that runs the backbone.
        precision: arithmetic of the backbone and the heads.
        cache: folder for cached features and proposals; None uses the user's cache folder.
        resamples: number of bootstrap resamples for each interval and each comparison.
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

    def __post_init__(self) -> None:
        check_seed(self.seed)
