"""Recognize detections whose category ids are numbered differently from those of the dataset.

Many detectors count classes from 0, whereas COCO counts them from 1 and leaves gaps. Most shifted ids are still
valid, so the results can be read, but the boxes then belong to the wrong classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from freeloc.datasets.dataset import Dataset
from freeloc.datasets.json_values import CocoId
from freeloc.geometry.box import Corners
from freeloc.geometry.iou import pairwise_iou

__all__ = ["FoundBox", "Renumbering", "find_renumbering"]

_MIN_IOU = 0.5


class FoundBox(NamedTuple):
    """A detection in a known image.

    Attributes:
        image: index of the image in the dataset.
        category: id of the class as given in the results.
        corners: the box, in image coordinates.
    """

    image: int
    category: CocoId
    corners: Corners


class Renumbering(NamedTuple):
    """Another numbering that explains the category ids of the results better.

    Attributes:
        advice: how to change the ids.
        matches: number of detections that match an annotated box of their class after the change.
        matches_as_given: the same number without the change.
        valid_as_given: whether the dataset has all ids as given.
    """

    advice: str
    matches: int
    matches_as_given: int
    valid_as_given: bool


def find_renumbering(
    boxes: Sequence[FoundBox], categories: Mapping[CocoId, int], dataset: Dataset
) -> Renumbering | None:
    """Return the numbering that explains the ids better than the given one, or None if there is none.

    If the dataset lacks some of the ids, any numbering that includes all of them is better. Otherwise, a numbering
    is better if it makes at least half of the detections that match an annotated box match one of their own class,
    and more than twice as many as without it.

    Args:
        boxes: the detections.
        categories: class index of each id; negative if the dataset does not have the class.
        dataset: the dataset, whose boxes are used if they are known.
    """
    used = {box.category for box in boxes}
    if not used or any(isinstance(category, str) for category in used):
        return None
    fitting = {advice: labels for advice, labels in _numberings(categories).items() if used <= labels.keys()}
    if not fitting:
        return None
    overlapping = _overlapping_labels(boxes, dataset)
    matches = {advice: _count_matches(boxes, labels, overlapping) for advice, labels in fitting.items()}
    best = max(matches, key=lambda advice: matches[advice])
    as_given = _count_matches(boxes, categories, overlapping)
    found = Renumbering(best, matches[best], as_given, used <= categories.keys())
    is_better = found.matches > max(1, 2 * as_given) and 2 * found.matches >= sum(map(bool, overlapping))
    return found if is_better or not found.valid_as_given else None


def _numberings(categories: Mapping[CocoId, int]) -> dict[str, dict[CocoId, int]]:
    """Return the class index of each id in other numberings, by the advice on how to change them."""
    numbers = sorted(category for category in categories if isinstance(category, int))
    labels = [categories[number] for number in numbers]
    numberings: dict[str, dict[CocoId, int]] = {
        "add 1 to every category_id": {number - 1: categories[number] for number in numbers},
        "subtract 1 from every category_id": {number + 1: categories[number] for number in numbers},
    }
    if numbers and numbers[-1] - numbers[0] >= len(
        numbers
    ):  # The ids have gaps, which consecutive numbers lack.
        for first in (0, 1):
            advice = f"use the ids of the instances file, instead of counting its categories from {first}"
            numberings[advice] = dict(enumerate(labels, start=first))
    return numberings


def _overlapping_labels(boxes: Sequence[FoundBox], dataset: Dataset) -> list[set[int]]:
    """Return, for each detection, the classes of the annotated boxes that it matches."""
    overlapping: list[set[int]] = [set() for _ in boxes]
    by_image: dict[int, list[int]] = defaultdict(list)
    for index, box in enumerate(boxes):
        by_image[box.image].append(index)
    for image, indices in by_image.items():
        annotated = dataset.samples[image].boxes or ()
        iou = pairwise_iou([boxes[index].corners for index in indices], [box.corners for box in annotated])
        for row, column in zip(*(iou >= _MIN_IOU).nonzero(), strict=True):
            overlapping[indices[row]].add(annotated[column].label)
    return overlapping


def _count_matches(
    boxes: Sequence[FoundBox], labels: Mapping[CocoId, int], overlapping: Sequence[set[int]]
) -> int:
    return sum(labels.get(box.category) in matching for box, matching in zip(boxes, overlapping, strict=True))
