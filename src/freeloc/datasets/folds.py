"""Divide images into folds for cross-validation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from freeloc._typing import Float64Array
from freeloc.datasets.dataset import PRESENT, Labels
from freeloc.errors import ConfigurationError, check_seed
from freeloc.io.progress import pluralize

__all__ = ["check_folds", "stratified_folds"]


def check_folds(images: int, folds: int, parameter: str = "calibration_folds") -> None:
    """Check that ``images`` images can be divided into ``folds`` folds; ``parameter`` is named if they cannot.

    Raises:
        ConfigurationError: there are fewer than two folds, or fewer images than folds.
    """
    if not 2 <= folds <= images:
        raise ConfigurationError(
            f"cannot divide {pluralize(images, 'image')} into {pluralize(folds, 'fold')}: use at least 2 folds, "
            "and at most one per image",
            parameter=parameter,
        )


def stratified_folds(labels: Labels, folds: int, seed: int = 0) -> npt.NDArray[np.intp]:
    """Divide images into folds of nearly equal size, and spread the positives of each class evenly over the folds.

    The algorithm is greedy and starts with the rarest class. It assigns each image of the class to the fold that
    still needs the most images of that class; ties go to the fold with the most free space (Sechidis, Tsoumakas,
    Vlahavas, On the stratification of multi-label data, ECML 2011).

    Args:
        labels: (N, K) int8 labels: −1, 0 or +1.
        folds: number of folds.
        seed: seed for the random order in which images are assigned to folds.

    Returns:
        (N,) index of each image's fold, from 0 to ``folds`` − 1.

    Raises:
        ConfigurationError: there are fewer than two folds, or fewer images than folds.
    """
    check_folds(len(labels), folds)
    check_seed(seed)
    generator = np.random.default_rng(seed)
    present = labels == PRESENT
    needed = np.tile(present.sum(axis=0) / folds, (folds, 1))
    space = np.full(folds, len(labels) / folds)
    assigned = np.full(len(labels), -1, np.intp)

    def assign(index: int, priorities: Float64Array) -> None:
        best = np.flatnonzero(priorities == priorities.max())
        best = best[space[best] == space[best].max()]
        fold = best[generator.integers(len(best))]
        assigned[index] = fold
        needed[fold] -= present[index]
        space[fold] -= 1

    while True:
        remaining = (present & (assigned < 0)[:, None]).sum(axis=0)
        if not remaining.any():
            break
        rarest = int(np.where(remaining > 0, remaining, len(labels) + 1).argmin())
        for index in generator.permutation(np.flatnonzero(present[:, rarest] & (assigned < 0))):
            assign(int(index), needed[:, rarest])
    for index in generator.permutation(np.flatnonzero(assigned < 0)):
        assign(int(index), space)
    return assigned
