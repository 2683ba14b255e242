"""Settings of a reproduction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from freeloc._validation import Count, Name, Seed, check_fields
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, check_backbone
from freeloc.paper.extra_rows import AddedRow, FusedRow
from freeloc.runtime import Precision, Runtime, check_runtime

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
        cache_drawn: whether the features at drawn scales are stored as well, so that models that are trained to
            the letter of the paper share them.
        resamples: number of bootstrap resamples for each interval and each comparison.
        quiet: whether to hide progress.
        add_row: rows of scores that other systems computed.
        fuse: rows of scores that are fused from other rows.

    Raises:
        ConfigurationError: a field has the wrong type or is out of range.
        BackboneError: there is no backbone with this name.
    """

    backbone: Name = DEFAULT_BACKBONE
    weights: str | Path | None = None
    epochs: Count | None = None
    seed: Seed = 0
    runtime: Runtime = "auto"
    precision: Precision = "auto"
    cache: Path | None = None
    cache_drawn: bool = False
    resamples: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    quiet: bool = False
    add_row: tuple[AddedRow, ...] = ()
    fuse: tuple[FusedRow, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        check_backbone(self.backbone)
        check_runtime(self.runtime, self.precision)
