"""Image sizes, labels and annotated boxes used in evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from freeloc._class_names import quote_names
from freeloc.datasets.dataset import PRESENT, Dataset, Labels, Sample
from freeloc.errors import DatasetError, DatasetOptionError
from freeloc.geometry.size import Size
from freeloc.metrics import GroundTruth

__all__ = ["Annotations", "check_evaluable", "check_predictable", "ground_truth_of", "has_boxes"]


@dataclass(frozen=True, eq=False)
class Annotations:
    """Sizes, labels and annotated boxes of N images.

    Attributes:
        sizes: N image sizes.
        labels: (N, K) int8, +1 present, −1 absent, 0 ignored.
        ground_truth: the annotated boxes.
    """

    sizes: Sequence[Size]
    labels: Labels
    ground_truth: GroundTruth

    @classmethod
    def read(cls, dataset: Dataset, sizes: Sequence[Size] | None = None) -> Annotations:
        """Read the annotations of a dataset.

        Args:
            dataset: the images, with boxes.
            sizes: N image sizes; None reads them from the dataset.

        Raises:
            ConfigurationError: a box has the label of no class.
            DatasetError: an image has no boxes.
            ImageError: the size of an image cannot be read.
        """
        dataset.check_box_labels()
        ground_truth = ground_truth_of(dataset)
        return cls(dataset.image_sizes() if sizes is None else sizes, dataset.labels, ground_truth)

    @property
    def n_images(self) -> int:
        """Number of images, N."""
        return len(self.sizes)

    @property
    def n_classes(self) -> int:
        """Number of classes, K."""
        return int(self.labels.shape[1])


def ground_truth_of(samples: Iterable[Sample]) -> GroundTruth:
    """Convert the annotated boxes of samples to arrays.

    Raises:
        DatasetError: a sample has no boxes.
    """
    parts = []
    for sample in samples:
        if sample.boxes is None:
            raise DatasetError(
                f"{sample.path} has no boxes: evaluation requires a dataset with annotated boxes",
                path=sample.path,
            )
        parts.append(
            GroundTruth.build(
                [(box.x1, box.y1, box.x2, box.y2) for box in sample.boxes],
                [box.label for box in sample.boxes],
                [box.difficult for box in sample.boxes],
                [box.crowd for box in sample.boxes],
            )
        )
    return GroundTruth.concatenate(parts)


def has_boxes(dataset: Dataset) -> bool:
    """Return whether the boxes of any image are known; if not, only what needs no boxes can be evaluated."""
    return any(sample.boxes is not None for sample in dataset)


def check_evaluable(dataset: Dataset, models: Mapping[str, tuple[str, ...]]) -> None:
    """Check that models can be evaluated on a dataset, before a long computation starts.

    Args:
        dataset: the images.
        models: the classes of each model, keyed by the name shown in tables.

    Raises:
        DatasetError: there are no images, only some images have boxes, no image contains any of the classes, or a
            model does not have all classes.
    """
    for name, classes in models.items():
        check_classes(dataset, name, classes)
    if has_boxes(dataset):
        dataset.check_box_labels()
        ground_truth_of(dataset)
    check_positives(dataset)


def check_predictable(
    dataset: Dataset, models: Mapping[str, tuple[str, ...]], *, results: bool, measured: str | None = None
) -> None:
    """Check what is requested for images without known labels, before a long computation starts.

    Args:
        dataset: the images.
        models: the classes of each model, keyed by its name.
        results: whether the scores are written, so that predicting has a purpose.
        measured: parameter that requires labels, if one is set.

    Raises:
        DatasetError: there are no images, or a model does not have all classes; or (`DatasetOptionError`) the
            scores are not written, or a parameter requires labels.
    """
    if not results or measured is not None:
        fix = "omit it" if results else "set results to write the models' scores for an evaluation server"
        raise DatasetOptionError(
            f"{dataset.name} has no annotations, so there is nothing to evaluate: {fix}",
            parameter=measured if results else "results",
        )
    for name, classes in models.items():
        check_classes(dataset, name, classes)


def check_positives(dataset: Dataset) -> None:
    """Check that at least one image contains a class; without positives, no metric is defined.

    Raises:
        DatasetError: no image contains any of the classes.
    """
    if not (dataset.labels == PRESENT).any():
        raise DatasetError(
            f"no image of {dataset.name} contains any of its classes, so there is nothing to evaluate: choose "
            "another split, or classes that occur in it"
        )


def check_classes(dataset: Dataset, name: str, classes: tuple[str, ...]) -> None:
    """Check that a dataset has images, and that a model has all classes of the dataset, in any order.

    Args:
        dataset: the images.
        name: name of the model.
        classes: classes of the model.

    Raises:
        DatasetError: there are no images, or the model does not have all classes.
    """
    if not len(dataset):
        raise DatasetError(f"{dataset.name} has no images, so there is nothing to evaluate")
    unknown = [item for item in dataset.classes if item not in classes]
    if unknown:
        raise DatasetError(
            f"{dataset.name} has the classes {quote_names(unknown)}, which model {name} does not have: choose "
            "classes that it has",
            parameter="classes",
        )
