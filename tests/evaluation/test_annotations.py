"""Annotations for evaluation, and the checks before it starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets import AnnotatedBox, Dataset, Sample
from freeloc.errors import ConfigurationError, DatasetError
from freeloc.evaluation.annotations import Annotations, check_evaluable, ground_truth_of
from freeloc.geometry.size import Size
from freeloc.metrics import GroundTruth

CLASSES = ("cat", "dog")


def sample(labels: tuple[int, ...], *boxes: AnnotatedBox) -> Sample:
    return Sample(Path("image.jpg"), np.array(labels, np.int8), boxes)


def test_objects_keep_boxes_and_flags() -> None:
    flagged = sample(
        (1, 1), AnnotatedBox(1, 1, 2, 3, 4, difficult=True), AnnotatedBox(0, 5, 6, 7, 8, crowd=True)
    )
    found, wanted = (
        ground_truth_of([flagged]),
        GroundTruth.build([(1, 2, 3, 4), (5, 6, 7, 8)], [1, 0], [1, 0], [0, 1]),
    )
    for field in ("image", "boxes", "label", "difficult", "crowd"):
        np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field))


def test_what_cannot_be_measured_is_seen_before_the_work() -> None:
    dataset = Dataset("by hand", CLASSES, (sample((1, -1)), sample((-1, 1))))
    check_evaluable(dataset, {"one": CLASSES, "two": CLASSES})
    check_evaluable(dataset, {"other order": ("dog", "cat"), "more": ("gnu", *CLASSES)})
    message = "by hand has the classes 'cat', which model two does not have: choose classes that it has"
    with pytest.raises(DatasetError, match=message):
        check_evaluable(dataset, {"one": CLASSES, "two": ("dog", "gnu")})
    with pytest.raises(DatasetError, match="empty has no images"):
        check_evaluable(Dataset("empty", CLASSES, ()), {"one": CLASSES})


def test_annotations_are_those_of_the_dataset() -> None:
    dataset = Dataset("two", CLASSES, (sample((1, -1), AnnotatedBox(0, 1, 2, 3, 4)), sample((-1, 0))))
    found = Annotations.read(dataset, (Size(10, 20), Size(30, 40)))
    assert (found.n_images, found.n_classes) == (2, 2)
    np.testing.assert_array_equal(found.labels, dataset.labels)
    assert found.ground_truth.n_images == 2
    assert found.ground_truth.boxes_of(0, 0).tolist() == [[1, 2, 3, 4]]


def test_a_dataset_without_positives_cannot_be_evaluated() -> None:
    dataset = Dataset("nothing", CLASSES, (sample((-1, 0)), sample((0, -1))))
    with pytest.raises(DatasetError, match="no image of nothing contains any of its classes"):
        check_evaluable(dataset, {"one": CLASSES})


def test_a_box_of_no_class_is_refused() -> None:
    dataset = Dataset("data", CLASSES, (sample((1, -1), AnnotatedBox(2, 1, 2, 3, 4)),))
    for check in (lambda: check_evaluable(dataset, {}), lambda: Annotations.read(dataset, (Size(9, 9),))):
        with pytest.raises(ConfigurationError, match=r"a box of image\.jpg has the label 2"):
            check()
