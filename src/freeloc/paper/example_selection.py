"""Selection of example images for figures."""

from __future__ import annotations

import numpy as np

from freeloc._typing import BoolArray, Float32Array, Float64Array
from freeloc.datasets.dataset import PRESENT, Dataset, Labels
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.geometry.iou import pairwise_iou
from freeloc.images.decode import load_image
from freeloc.metrics import BOX_IOU, Detections
from freeloc.paper.figures.examples import BoxExample

__all__ = ["best_per_class", "box_examples", "most_classes"]


def best_per_class(
    scores: Float32Array | Float64Array, eligible: BoolArray, count: int
) -> list[tuple[int, int]]:
    """Select the highest-scoring eligible image of each class; no image is selected twice.

    If two classes have the same best image, it goes to the class with the higher score there, and the other class
    gets the best image that is left.

    Args:
        scores: (N, K) scores of K classes in N images.
        eligible: (N, K) bool, whether each image-class pair may be selected.
        count: maximum number of pairs to select.

    Returns:
        Pairs (image index, class index), highest score first; equal scores are in the order of the classes.
    """
    ranked = np.where(eligible, scores, -np.inf).T
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count and ranked.size:
        label, image = map(int, np.unravel_index(ranked.argmax(), ranked.shape))
        if not np.isfinite(ranked[label, image]):
            break
        pairs.append((image, label))
        ranked[label], ranked[:, image] = -np.inf, -np.inf
    return pairs


def most_classes(labels: Labels, count: int) -> list[int]:
    """Return the indices of the images with the most classes; equal images are in their order.

    Args:
        labels: (N, K) +1 present, −1 absent, 0 ignored.
        count: maximum number of images.
    """
    classes = (labels == PRESENT).sum(axis=1)
    order = np.argsort(-classes, kind="stable")[:count]
    return [int(image) for image in order if classes[image]]


def box_examples(detections: Detections, dataset: Dataset, count: int, *, correct: bool) -> list[BoxExample]:
    """Select the highest-scoring correct or wrong box of each class, highest score first.

    Args:
        detections: predicted boxes in the images of the dataset.
        dataset: the images, with annotated boxes.
        count: maximum number of examples.
        correct: True to select boxes whose IoU with an object of their class is at least 0.5, False to select
            the other boxes.
    """
    shape = (len(dataset), len(dataset.classes))
    best = np.full(shape, -1)
    # Sorted by increasing score, because the last write to an entry of ``best`` wins.
    order = np.argsort(-detections.score, kind="stable")[::-1]
    best[detections.image[order], detections.label[order]] = order
    scores, overlaps = np.full(shape, -np.inf), np.zeros(shape)
    ground_truth = ground_truth_of(dataset)
    for image, label in np.argwhere(best >= 0):
        index = best[image, label]
        scores[image, label] = detections.score[index]
        annotated = ground_truth.boxes_of(image, label)
        overlaps[image, label] = pairwise_iou(detections.boxes[index], annotated).max(initial=0.0)
    eligible = (best >= 0) & ((overlaps >= BOX_IOU[0]) == correct)
    return [
        BoxExample(
            load_image(dataset.samples[image].path),
            dataset.classes[label],
            [_as_tuple(detections.boxes[best[image, label]])],
            [_as_tuple(box) for box in ground_truth.boxes_of(image, label)],
            float(overlaps[image, label]),
        )
        for image, label in best_per_class(scores, eligible, count)
    ]


def _as_tuple(box: Float64Array) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = map(float, box)
    return x1, y1, x2, y2
