"""Scores of photographs by heads that have not seen them: what a model's probabilities are calibrated on.

A head is surer of the photographs it was trained on than of any others, so its own scores on them say nothing of
how far it can be trusted. Here the photographs are dealt into folds; for each fold a head is trained by the same
recipe on all the others, and scores the fold's own as prediction would, at the recipe's test scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeloc.calibration import fit_calibration
from freeloc.datasets.sample import PRESENT, Dataset, Labels
from freeloc.errors import FreelocError
from freeloc.geometry import Float32Array
from freeloc.localization import pooled_scores
from freeloc.localizer import Localizer
from freeloc.model import Model
from freeloc.progress import counted, say, track

__all__ = ["PHOTOGRAPHS", "HeldOut", "calibrated", "check_folds", "deal", "is_calibrated", "out_of_fold"]

PHOTOGRAPHS = 2000
"""How many photographs are scored, at most, unless another number is given: the search at all test scales takes
longer than a training, and two numbers a class do not ask for many."""

Teach = Callable[[Dataset, Path], Model]
"""Trains a model on a part of the photographs, in a run folder."""

Open = Callable[[Model], Localizer]
"""Makes a model ready to predict."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores by heads that did not see the photograph.

    Attributes:
        scores: (M, K) float32 raw scores.
        labels: (M, K) int8.
    """

    scores: Float32Array
    labels: Labels


def check_folds(photographs: int, folds: int) -> None:
    """See that so many photographs can be dealt into so many folds.

    Raises:
        FreelocError: there are fewer than two folds, or fewer photographs than folds.
    """
    if not 2 <= folds <= photographs:
        raise FreelocError(
            f"--calibrate {folds} would deal {counted(photographs, 'photograph')} into {counted(folds, 'fold')}: "
            "give at least 2, and no more than there are photographs, such as 5"
        )


def deal(labels: Labels, folds: int, seed: int = 0) -> npt.NDArray[np.intp]:
    """Deal photographs into folds of nearly one size, each class's positives spread over all of them.

    Greedy, the rarest class first: each of its photographs goes to the fold that lacks the class most, and of
    those to the one with the most room (Sechidis, Tsoumakas, Vlahavas, On the stratification of multi-label data,
    ECML 2011).

    Args:
        labels: (N, K) int8 in {−1, 0, +1}.
        folds: how many.
        seed: of the order in which photographs are dealt.

    Returns:
        (N,) the fold of each photograph, 0 to ``folds`` − 1.

    Raises:
        FreelocError: there are fewer than two folds, or fewer photographs than folds.
    """
    check_folds(len(labels), folds)
    dice = np.random.default_rng(seed)
    present = labels == PRESENT
    lacks = np.tile(present.sum(axis=0) / folds, (folds, 1))
    room = np.full(folds, len(labels) / folds)
    dealt = np.full(len(labels), -1, np.intp)

    def put(index: int, wishes: npt.NDArray[np.float64]) -> None:
        best = np.flatnonzero(wishes == wishes.max())
        best = best[room[best] == room[best].max()]
        fold = best[dice.integers(len(best))]
        dealt[index] = fold
        lacks[fold] -= present[index]
        room[fold] -= 1

    while True:
        left = (present & (dealt < 0)[:, None]).sum(axis=0)
        if not left.any():
            break
        rarest = int(np.where(left > 0, left, len(labels) + 1).argmin())
        for index in dice.permutation(np.flatnonzero(present[:, rarest] & (dealt < 0))):
            put(int(index), lacks[:, rarest])
    for index in dice.permutation(np.flatnonzero(dealt < 0)):
        put(int(index), room)
    return dealt


def out_of_fold(
    dataset: Dataset,
    folds: int,
    folder: Path,
    teach: Teach,
    ready: Open,
    *,
    photographs: int = PHOTOGRAPHS,
    seed: int = 0,
    quiet: bool = False,
) -> HeldOut:
    """Score photographs by heads that were trained on the others.

    Args:
        dataset: photographs and tags; boxes are not looked at.
        folds: how many heads.
        folder: holds a run folder for each.
        teach: how a head is trained.
        ready: how it is asked.
        photographs: so many are scored, at most, drawn at random whatever their tags.
        seed: of the deal and the draw.
        quiet: show no progress.

    Raises:
        FreelocError: there are fewer photographs than folds, or one cannot be read.
    """
    dealt = deal(dataset.labels, folds, seed)
    drawn = np.zeros(len(dataset), np.bool_)
    drawn[np.random.default_rng(seed).permutation(len(dataset))[:photographs]] = True
    scores: list[Float32Array] = []
    places: list[int] = []
    for fold in range(folds):
        if not quiet:
            say(f"fold {fold + 1} of {folds}")
        rest = tuple(sample for sample, other in zip(dataset, dealt, strict=True) if other != fold)
        model = teach(replace(dataset, samples=rest), folder / f"{fold + 1}-of-{folds}")
        held = np.flatnonzero((dealt == fold) & drawn).tolist()
        maps = ready(model).score_maps_many([dataset.samples[place].path for place in held])
        looked_at = track(maps, "scoring what it has not seen", len(held), quiet=quiet)
        scores += [pooled_scores(own, model.pooling) for own in looked_at]
        places += held
    return HeldOut(np.stack(scores), dataset.labels[places])


def calibrated(
    model: Model,
    dataset: Dataset,
    folds: int,
    folder: Path,
    teach: Teach,
    ready: Open,
    *,
    photographs: int = PHOTOGRAPHS,
    seed: int = 0,
    quiet: bool = False,
) -> Model:
    """A model with probabilities fitted on the scores of `out_of_fold`, whose arguments these are.

    The heads of the folds have seen less than the model, and are a little weaker: what is fitted on them makes the
    model's probabilities, if anything, a little too modest.

    Args:
        model: trained on all photographs of the data set.
        dataset: see `out_of_fold`, as the others.
        folds: see there.
        folder: see there.
        teach: see there.
        ready: see there.
        photographs: see there.
        seed: see there.
        quiet: see there.
    """
    held = out_of_fold(dataset, folds, folder, teach, ready, photographs=photographs, seed=seed, quiet=quiet)
    facts = {
        "by": _BY,
        "folds": folds,
        "name": dataset.name,
        "data": dict((model.manifest or {}).get("data") or {}).get("fingerprint"),
        "photographs": len(held.labels),
        "scales": list(model.scales),
        "seed": seed,
    }
    return replace(model, calibration=fit_calibration(held.scores, held.labels, facts))


_BY = "folds of the training photographs"


def is_calibrated(model: Model, folds: int) -> bool:
    """Whether `calibrated` has been at this model, with so many folds."""
    facts = {} if model.calibration is None else model.calibration.facts
    return (facts.get("by"), facts.get("folds")) == (_BY, folds)
