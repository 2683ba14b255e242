"""Find tags that are probably missing or wrong.

Every image is scored by a head that was trained without it (`freeloc.training.fold_scores`), because a head
soon agrees with the tags that it was trained on. The scores are calibrated per class to probabilities of the
tag.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from freeloc._typing import Float32Array
from freeloc._validation import Count, check_arguments
from freeloc.datasets.dataset import ABSENT, PRESENT, Dataset
from freeloc.models.platt_scaling import fit_calibration
from freeloc.training.fold_scores import fold_scores
from freeloc.training.settings import TrainingSettings

__all__ = ["Suspect", "SuspectKind", "find_suspects", "rank_suspects"]

SuspectKind = Literal["missing", "wrong"]
"""What may be wrong: an image lacks a tag, or has one that it should not have."""

_COUNT: Final = 50


@dataclass(frozen=True, slots=True)
class Suspect:
    """A tag that is probably missing or wrong.

    Attributes:
        path: the image.
        name: the class.
        kind: "missing" if the image lacks the tag, "wrong" if it has it.
        probability: probability that an image with this score has the tag, by the other images.
    """

    path: Path
    name: str
    kind: SuspectKind
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "image": str(self.path),
            "class": self.name,
            "kind": self.kind,
            "probability": round(self.probability, 6),
        }


@check_arguments
def find_suspects(
    data: Dataset,
    settings: TrainingSettings | None = None,
    *,
    count: Count = _COUNT,
    folds: Count = 3,
    quiet: bool = False,
) -> tuple[Suspect, ...]:
    """Find the tags of a dataset that are most probably missing or wrong.

    Args:
        data: images and tags; boxes are not read.
        settings: settings of training; None uses the defaults.
        count: maximum number of suspects of each kind.
        folds: number of heads that are trained, each on all images but one fold.
        quiet: whether to hide progress.

    Returns:
        The suspects, those of kind "missing" first, and most certain first within a kind.

    Raises:
        ConfigurationError: there are fewer than two folds, or fewer images than folds.
        DatasetError: the dataset has no images, or a fold leaves nothing to learn.
        ImageError: an image cannot be read.
    """
    scores = fold_scores(data, settings, folds=folds, quiet=quiet)
    return rank_suspects(data, scores, count=count)


def rank_suspects(data: Dataset, scores: Float32Array, *, count: int = _COUNT) -> tuple[Suspect, ...]:
    """Return the suspects of a dataset by its images' scores.

    Args:
        data: images and tags.
        scores: (N, K) scores by models that were not trained on these images.
        count: maximum number of suspects of each kind.
    """
    labels = data.labels
    calibration = fit_calibration(scores, labels, {})
    probabilities = calibration.probabilities(scores)
    log_odds = calibration.log_odds(scores)  # finer than probabilities near 0 and 1
    suspects: list[Suspect] = []
    kinds: Iterable[tuple[SuspectKind, int, int]] = (("missing", ABSENT, -1), ("wrong", PRESENT, 1))
    for kind, label, sign in kinds:
        images, classes = np.nonzero(labels == label)
        order = np.argsort(sign * log_odds[images, classes], kind="stable")[:count]
        suspects += [
            Suspect(
                data.samples[images[index]].path,
                data.classes[classes[index]],
                kind,
                float(probabilities[images[index], classes[index]]),
            )
            for index in order
        ]
    return tuple(suspects)
