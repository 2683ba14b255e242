"""Scores of images by heads that have not seen them: what a model's probabilities are calibrated on.

A head is surer of the images it was trained on than of any others, so its own scores on them say nothing of
how far it can be trusted. Here the images are dealt into folds; for each fold a head is trained by the same
recipe on all the others, and scores the fold's own as prediction would, at the recipe's test scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import PRESENT, Dataset, Labels
from freeloc.errors import FreelocError
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.localizer import Localizer
from freeloc.io.progress import pluralize, print_status, track
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration

__all__ = [
    "IMAGES",
    "OutOfFoldScores",
    "calibrated",
    "check_folds",
    "is_calibrated",
    "out_of_fold",
    "stratified_folds",
]

IMAGES = 2000
"""How many images are scored, at most, unless another number is given: the search at all test scales takes
longer than a training, and two numbers a class do not ask for many."""

TrainFold = Callable[[Dataset, Path], Model]
"""Trains a model on a part of the images, in a run folder."""

OpenModel = Callable[[Model], Localizer]
"""Makes a model ready to predict."""


@dataclass(frozen=True, eq=False)
class OutOfFoldScores:
    """Scores by heads that did not see the image.

    Attributes:
        scores: (M, K) float32 raw scores.
        labels: (M, K) int8.
    """

    scores: Float32Array
    labels: Labels


def check_folds(images: int, folds: int) -> None:
    """See that so many images can be dealt into so many folds.

    Raises:
        FreelocError: there are fewer than two folds, or fewer images than folds.
    """
    if not 2 <= folds <= images:
        raise FreelocError(
            f"--calibrate {folds} would deal {pluralize(images, 'image')} into {pluralize(folds, 'fold')}: "
            "give at least 2, and no more than there are images, such as 5"
        )


def stratified_folds(labels: Labels, folds: int, seed: int = 0) -> npt.NDArray[np.intp]:
    """Deal images into folds of nearly one size, each class's positives spread over all of them.

    Greedy, the rarest class first: each of its images goes to the fold that lacks the class most, and of
    those to the one with the most room (Sechidis, Tsoumakas, Vlahavas, On the stratification of multi-label data,
    ECML 2011).

    Args:
        labels: (N, K) int8 in {−1, 0, +1}.
        folds: how many.
        seed: of the order in which images are dealt.

    Returns:
        (N,) the fold of each image, 0 to ``folds`` − 1.

    Raises:
        FreelocError: there are fewer than two folds, or fewer images than folds.
    """
    check_folds(len(labels), folds)
    generator = np.random.default_rng(seed)
    present = labels == PRESENT
    lacks = np.tile(present.sum(axis=0) / folds, (folds, 1))
    room = np.full(folds, len(labels) / folds)
    dealt = np.full(len(labels), -1, np.intp)

    def put(index: int, wishes: npt.NDArray[np.float64]) -> None:
        best = np.flatnonzero(wishes == wishes.max())
        best = best[room[best] == room[best].max()]
        fold = best[generator.integers(len(best))]
        dealt[index] = fold
        lacks[fold] -= present[index]
        room[fold] -= 1

    while True:
        left = (present & (dealt < 0)[:, None]).sum(axis=0)
        if not left.any():
            break
        rarest = int(np.where(left > 0, left, len(labels) + 1).argmin())
        for index in generator.permutation(np.flatnonzero(present[:, rarest] & (dealt < 0))):
            put(int(index), lacks[:, rarest])
    for index in generator.permutation(np.flatnonzero(dealt < 0)):
        put(int(index), room)
    return dealt


def out_of_fold(
    dataset: Dataset,
    folds: int,
    folder: Path,
    train_fold: TrainFold,
    ready: OpenModel,
    *,
    images: int = IMAGES,
    seed: int = 0,
    quiet: bool = False,
) -> OutOfFoldScores:
    """Score images by heads that were trained on the others.

    Args:
        dataset: images and tags; boxes are not looked at.
        folds: how many heads.
        folder: holds a run folder for each.
        train_fold: how a head is trained.
        ready: how it is asked.
        images: so many are scored, at most, drawn at random whatever their tags.
        seed: of the deal and the draw.
        quiet: show no progress.

    Raises:
        FreelocError: there are fewer images than folds, or one cannot be read.
    """
    dealt = stratified_folds(dataset.labels, folds, seed)
    drawn = np.zeros(len(dataset), np.bool_)
    drawn[np.random.default_rng(seed).permutation(len(dataset))[:images]] = True
    scores: list[Float32Array] = []
    places: list[int] = []
    for fold in range(folds):
        if not quiet:
            print_status(f"fold {fold + 1} of {folds}")
        rest = tuple(sample for sample, other in zip(dataset, dealt, strict=True) if other != fold)
        model = train_fold(replace(dataset, samples=rest), folder / f"{fold + 1}-of-{folds}")
        held = np.flatnonzero((dealt == fold) & drawn).tolist()
        maps = ready(model).score_maps_many([dataset.samples[place].path for place in held])
        looked_at = track(maps, "scoring what it has not seen", len(held), quiet=quiet)
        scores += [pooled_scores(own, model.header.pooling) for own in looked_at]
        places += held
    return OutOfFoldScores(np.stack(scores), dataset.labels[places])


def calibrated(
    model: Model,
    dataset: Dataset,
    folds: int,
    folder: Path,
    train_fold: TrainFold,
    ready: OpenModel,
    *,
    images: int = IMAGES,
    seed: int = 0,
    quiet: bool = False,
) -> Model:
    """A model with probabilities fitted on the scores of `out_of_fold`, whose arguments these are.

    The heads of the folds have seen less than the model, and are a little weaker: what is fitted on them makes the
    model's probabilities, if anything, a little too modest.

    Args:
        model: trained on all images of the data set.
        dataset: see `out_of_fold`, as the others.
        folds: see there.
        folder: see there.
        train_fold: see there.
        ready: see there.
        images: see there.
        seed: see there.
        quiet: see there.
    """
    held = out_of_fold(dataset, folds, folder, train_fold, ready, images=images, seed=seed, quiet=quiet)
    facts = {
        "by": _BY,
        "folds": folds,
        "name": dataset.name,
        "data": model.header.training_data.get("fingerprint"),
        "images": len(held.labels),
        "scales": list(model.header.scales),
        "seed": seed,
    }
    return model.with_header(calibration=fit_calibration(held.scores, held.labels, facts))


_BY = "folds of the training images"


def is_calibrated(model: Model, folds: int) -> bool:
    """Whether `calibrated` has been at this model, with so many folds."""
    calibration = model.header.calibration
    facts = {} if calibration is None else calibration.facts
    return (facts.get("by"), facts.get("folds")) == (_BY, folds)
