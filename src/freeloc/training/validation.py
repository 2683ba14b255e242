"""Validation: measure, after each epoch, how well the model ranks images that it is not trained on.

The scores are computed from cached features at the training scales, so validation takes a fraction of the time of
an epoch. `freeloc evaluate` computes them at all test scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import IGNORE, Dataset, Labels, check_informative
from freeloc.errors import DatasetError
from freeloc.features.arrays import Cells
from freeloc.features.sources import FeatureSource
from freeloc.images.image_info import ImageInfo
from freeloc.io.progress import pluralize, print_status
from freeloc.metrics import classification_ranking
from freeloc.training.batches import Batch, stream
from freeloc.training.step import HeadTrainStep

__all__ = ["Validation", "ValidationResult", "match_classes", "score_images", "without_training_images"]

_BATCH: Final = 8
"""Number of images scored together."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Result of one validation.

    Attributes:
        mean_ap: mean classification AP over the classes that are present in a validation image, from 0 to 1.
        loss: mean over the images of the logistic loss, summed over the classes (paper, equation 1).
    """

    mean_ap: float
    loss: float


@dataclass(frozen=True, eq=False)
class Validation:
    """The validation images of a run.

    Attributes:
        features: features of the N images, computed with the current weights of the backbone.
        labels: (N, K) int8 labels: −1, 0 or +1.
        scales: scales at which the images are scored.
    """

    features: FeatureSource[Cells]
    labels: Labels
    scales: tuple[float, ...]

    def measure(self, step: HeadTrainStep) -> ValidationResult:
        """Measure the current weights."""
        scores = score_images(step, self.features, range(len(self.labels)), self.scales)
        margins = np.float64(1) * self.labels * scores
        loss = (np.logaddexp(0, -margins) * (self.labels != IGNORE)).sum(axis=1).mean()
        return ValidationResult(classification_ranking(scores, self.labels).mean, float(loss))


def score_images(
    step: HeadTrainStep, features: FeatureSource[Cells], indices: Sequence[int], scales: Sequence[float]
) -> Float32Array:
    """Return the (N, K) scores of images: the mean over the scales of the pooled scores.

    Args:
        step: step with the projection and the head.
        features: features of the images.
        indices: indices of the N images.
        scales: scales at which the images are scored.
    """
    parts = [tuple(indices[start : start + _BATCH]) for start in range(0, len(indices), _BATCH)]
    plan = [Batch(part, scale) for part in parts for scale in scales]
    scores: list[Float32Array] = []
    for position, (_, cells) in enumerate(stream(features, plan)):
        pooled: Float32Array = (step.pooled_scores(cells).float() / len(scales)).cpu().numpy()
        if position % len(scales):
            scores[-1] += pooled
        else:
            scores.append(pooled)
    return np.concatenate(scores)


def match_classes(validation: Dataset, classes: tuple[str, ...], *, quiet: bool = True) -> Dataset:
    """Return validation images with the classes of the training images.

    Other classes are left out. The labels of classes that the validation images lack are ignored.

    Args:
        validation: the validation images.
        classes: the classes of the training images.
        quiet: whether not to say which classes the validation images lack.

    Raises:
        DatasetError: no class is present in one validation image and absent from another.
    """
    if validation.classes != classes:
        positions = {name: index for index, name in enumerate(validation.classes)}
        missing = [name for name in classes if name not in positions]
        if missing and not quiet:
            more = ", …" if len(missing) > 20 else ""
            print_status(
                f"validation ignores the classes that {validation.name} lacks: {', '.join(missing[:20])}{more}"
            )
        columns = np.array([positions.get(name, -1) for name in classes])
        samples = tuple(
            replace(
                sample,
                labels=np.where(columns < 0, IGNORE, sample.labels[columns]).astype(np.int8),
                boxes=None,
            )
            for sample in validation
        )
        validation = replace(validation, classes=classes, samples=samples)
    if not len(validation):
        raise DatasetError(f"{validation.name} has no images: validation requires at least two")
    check_informative(validation, "validation")
    return validation


def without_training_images(
    validation: Dataset, infos: Sequence[ImageInfo], training: Sequence[ImageInfo], *, quiet: bool = True
) -> tuple[Dataset, tuple[ImageInfo, ...]]:
    """Leave out validation images with the same content as a training image.

    Args:
        validation: the validation images.
        infos: size and content hash of each validation image.
        training: size and content hash of each training image.
        quiet: whether not to say how many were left out.

    Returns:
        The other validation images, and their sizes and hashes.

    Raises:
        DatasetError: what remains says nothing about any class.
    """
    known = {info.content_hash for info in training}
    pairs = [
        (sample, info)
        for sample, info in zip(validation, infos, strict=True)
        if info.content_hash not in known
    ]
    repeated = len(validation) - len(pairs)
    if not repeated:
        return validation, tuple(infos)
    if not pairs:
        raise DatasetError(
            f"all images of {validation.name} are training images too: validation requires other images",
            parameter="val",
        )
    if not quiet:
        print_status(
            f"{repeated} of {pluralize(len(validation), 'validation image')} left out, because they are training "
            "images too"
        )
    validation = replace(validation, samples=tuple(sample for sample, _ in pairs))
    check_informative(validation, "validation")
    return validation, tuple(info for _, info in pairs)
