"""Detect that training has diverged, before anything is written that prediction could not use."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from freeloc.datasets.dataset import Dataset
from freeloc.errors import TrainingError
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource
from freeloc.models.model import Model
from freeloc.training.device import to_device
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep

__all__ = ["are_finite", "check_model", "diverged"]

_MAX_IMAGES = 8
"""Number of images whose scores are checked."""

_MAX_SCORE = 1e4
"""Largest magnitude of a usable score. Scores are log-odds, so those of trained models are below a hundred. Larger
ones overflow at other scales or in other arithmetic, and no longer tell images apart."""


def diverged(recipe: Recipe, evidence: str, epoch: int | None = None) -> TrainingError:
    """Return the error for training that has diverged.

    Args:
        recipe: the recipe.
        evidence: what shows the divergence, such as "a weight is not finite".
        epoch: number of the epoch, from 1; None after the last one.
    """
    # The rate that exceeds its default value by the largest factor is the most likely cause.
    names = ["learning_rate", "projection_learning_rate", "backbone_learning_rate"]
    if recipe.warm_start_epochs:
        names.append("warm_start_learning_rate")
    defaults = Recipe()
    name = max(names, key=lambda each: getattr(recipe, each) / getattr(defaults, each))
    when = "" if epoch is None else f" in epoch {epoch}"
    return TrainingError(
        f"training diverged{when}: {evidence}; use a {name.replace('_', ' ')} below {getattr(recipe, name):g}",
        parameter=name,
    )


def are_finite(weights: Iterable[Tensor]) -> bool:
    """Return whether all values of all weights are finite."""
    return all(bool(weight.isfinite().all()) for weight in weights)


def check_model(
    model: Model, step: HeadTrainStep, features: FeatureSource[Cells], dataset: Dataset, recipe: Recipe
) -> None:
    """Check the weights of a model, and its scores of some of its training images, before it is written.

    Finite weights after the last step are not enough: merging the standardization into the first layer multiplies
    weights, and products of large weights overflow.

    Args:
        model: the model to be written.
        step: step with the trained projection.
        features: features of the images, computed with the trained weights.
        dataset: the images.
        recipe: the recipe.

    Raises:
        TrainingError: a weight is not finite, or a score is not finite or too large to be a log-odds.
    """
    if not are_finite([*model.head.state_dict().values(), *model.backbone_changes.values()]):
        raise diverged(recipe, "a weight of the model is not finite")
    for index in dataset.evenly_spaced(_MAX_IMAGES):
        for scale in recipe.scales:
            cells = to_device(features.get(index, scale), step.device).float()
            with torch.no_grad():
                scores = model.head(step.projection(cells).cpu())
            if not bool((scores.abs() <= _MAX_SCORE).all()):  # NaN is not below any limit
                largest = float(scores.abs().nan_to_num(nan=math.inf, posinf=math.inf).max())
                raise diverged(recipe, f"the model's scores of its training images reach {largest:.2g}")
