"""Cross-fitting, which calibrates a model on its own training images.

A head is more confident on its training images than on new ones, so its scores on training images are unsuitable
for calibration. The images are therefore divided into folds. For each fold, a head is trained with the same recipe
on all other images. This head then scores the images of the fold at the recipe's test scales, as in prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import Dataset, Labels
from freeloc.datasets.folds import check_folds, stratified_folds
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.localizer import Localizer
from freeloc.io.progress import print_status, track
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration

__all__ = [
    "MAX_IMAGES",
    "OutOfFoldScores",
    "calibrate_by_folds",
    "check_folds",
    "is_calibrated_by_folds",
    "out_of_fold_scores",
    "stratified_folds",
]

MAX_IMAGES = 2000
"""Default maximum number of images to score. Prediction at all test scales takes longer than training, and this
many images are enough to fit two parameters per class."""

_METHOD = "folds of the training images"

TrainFold = Callable[[Dataset, str], Localizer]
"""A function that takes a subset of the images and the name of a run, trains a model on this subset, and returns
the model's localizer."""


@dataclass(frozen=True, eq=False)
class OutOfFoldScores:
    """Out-of-fold scores: scores of images by heads that were trained without those images.

    Attributes:
        scores: (M, K) float32 raw scores.
        labels: (M, K) int8 labels.
        indices: (M,) indices of the images in the dataset.
    """

    scores: Float32Array
    labels: Labels
    indices: npt.NDArray[np.intp]


def out_of_fold_scores(
    dataset: Dataset,
    folds: int,
    train_fold: TrainFold,
    *,
    max_images: int = MAX_IMAGES,
    seed: int = 0,
    quiet: bool = False,
) -> OutOfFoldScores:
    """Score images with heads that were trained without those images.

    Args:
        dataset: images and tags; boxes are not read.
        folds: number of folds; one head is trained for each.
        train_fold: function that trains the head of a fold.
        max_images: maximum number of images to score; they are drawn at random, regardless of their tags.
        seed: seed for dividing the images into folds and for drawing the scored images.
        quiet: whether to hide progress.

    Raises:
        ConfigurationError: there are fewer than two folds, or fewer images than folds.
        ImageError: an image cannot be read.
    """
    assigned = stratified_folds(dataset.labels, folds, seed)
    drawn = np.zeros(len(dataset), np.bool_)
    drawn[np.random.default_rng(seed).permutation(len(dataset))[:max_images]] = True
    scores: list[Float32Array] = []
    scored: list[int] = []
    for fold in range(folds):
        if not quiet:
            print_status(f"fold {fold + 1} of {folds}")
        training = tuple(sample for sample, other in zip(dataset, assigned, strict=True) if other != fold)
        localizer = train_fold(replace(dataset, samples=training), f"{fold + 1}-of-{folds}")
        held_out = np.flatnonzero((assigned == fold) & drawn).tolist()
        maps = localizer.score_maps_many([dataset.samples[index].image for index in held_out])
        tracked = track(maps, "scoring held-out images", len(held_out), quiet=quiet)
        scores += [pooled_scores(scale_maps, localizer.pooling) for scale_maps in tracked]
        scored += held_out
    return OutOfFoldScores(np.stack(scores), dataset.labels[scored], np.array(scored, np.intp))


def calibrate_by_folds(
    model: Model,
    dataset: Dataset,
    folds: int,
    train_fold: TrainFold,
    *,
    max_images: int = MAX_IMAGES,
    seed: int = 0,
    quiet: bool = False,
) -> tuple[Model, OutOfFoldScores]:
    """Return a model with a calibration fitted to out-of-fold scores, and these scores.

    The heads of the folds are trained on fewer images than the model and are slightly less accurate. A calibration
    fitted to their scores therefore yields probabilities that are, if anything, slightly too close to the class
    frequencies.

    Args:
        model: a model that was trained on all images of the dataset.
        dataset: images and tags; see `out_of_fold_scores` for details on this and the following arguments.
        folds: number of folds.
        train_fold: function that trains the head of a fold.
        max_images: maximum number of images to score.
        seed: seed for dividing the images into folds and for drawing the scored images.
        quiet: whether to hide progress.
    """
    held_out = out_of_fold_scores(dataset, folds, train_fold, max_images=max_images, seed=seed, quiet=quiet)
    facts = {
        "by": _METHOD,
        "folds": folds,
        "name": dataset.name,
        "data": model.header.training_data.get("fingerprint"),
        "images": len(held_out.labels),
        "scales": list(model.header.scales),
        "seed": seed,
    }
    calibration = fit_calibration(held_out.scores, held_out.labels, facts)
    return model.with_header(calibration=calibration), held_out


def is_calibrated_by_folds(model: Model, folds: int) -> bool:
    """Return whether `calibrate_by_folds` calibrated a model with this number of folds."""
    calibration = model.header.calibration
    facts = {} if calibration is None else calibration.facts
    return (facts.get("by"), facts.get("folds")) == (_METHOD, folds)
