"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from freeloc._literals import CacheFormat, Precision, Runtime
from freeloc._validation import CountOrZero, Name, Seed, check_fields
from freeloc.errors import ConfigurationError
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, check_backbone
from freeloc.runtime import check_runtime
from freeloc.training.recipe import RECIPES, Recipe

__all__ = ["TrainingSettings"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of a training run, apart from the images and the run folder.

    Attributes:
        backbone: name of the backbone.
        weights: local weight file of the backbone; None uses the backbone's default weights.
        recipe: hyperparameters; `freeloc.training.recipe.Recipe.named` returns the predefined ones.
        seed: random seed. The same settings, images and machine type yield the same model, bit for bit.
        runtime: the library that runs the backbone.
        precision: arithmetic of the backbone.
        cache_features: whether to store the backbone's features on disk and reuse them. If False, they are
            recomputed in every epoch, and ``draw_scales`` is implied.
        draw_scales: whether the scale of each mini-batch is drawn from the range of the recipe's scales, not from
            the scales themselves (paper, section 4). With a cache, the features of all epochs are stored, which
            only serves other runs with the same seed.
        cache_folder: folder of the feature caches; None uses the user's cache folder.
        cache_format: format of cached features: "int8" takes half the space of "float16", at a small loss of
            accuracy.
        snapshots: training steps, counted over the whole run, after which the current model is written to a file
            such as ``snapshots/step-000210.safetensors``; 0 writes the model before the first step.
        calibration_folds: number of folds, at least 2, for calibrating the trained model on its own training
            images (see `freeloc.training.cross_fitting`). Each fold adds a training run. With 0, the model stays
            uncalibrated.
        val_split: fraction of the images to hold out for validation, such as 0.1 (see
            `freeloc.training.hold_out`); None holds out none. Which ones depends on the seed and the tags.
        patience: with validation images, the number of epochs with an mAP below the best one after which training
            stops; 0 never stops it early.
        int8: whether to add an int8 network to the model, which requires NNCF (the extra ``int8``). It is
            created from some of the training images; see `freeloc.training.quantization`.
        report: whether to write the page ``report.html`` and the curve ``curve.svg`` to the run folder.

    Raises:
        ConfigurationError: a field has the wrong type or is out of range.
        BackboneError: there is no backbone with this name.
    """

    backbone: Name = DEFAULT_BACKBONE
    weights: str | Path | None = None
    recipe: Recipe = RECIPES["default"]
    seed: Seed = 0
    runtime: Runtime = "auto"
    precision: Precision = "auto"
    cache_features: bool = True
    draw_scales: bool = False
    cache_folder: str | Path | None = None
    cache_format: CacheFormat = "float16"
    snapshots: tuple[CountOrZero, ...] = ()
    calibration_folds: CountOrZero = 0
    val_split: Annotated[float, Meta(gt=0, lt=1)] | None = None
    patience: CountOrZero = 30
    int8: bool = False
    report: bool = True

    @property
    def draws_scales(self) -> bool:
        """Whether scales are drawn from the range of the recipe's scales."""
        return self.draw_scales or not self.cache_features

    def __post_init__(self) -> None:
        check_fields(self)
        check_backbone(self.backbone)
        check_runtime(self.runtime, self.precision)
        if self.calibration_folds == 1:
            raise ConfigurationError(
                "calibration_folds is 1: use at least 2 folds, or 0 to leave the model uncalibrated",
                parameter="calibration_folds",
            )
