"""Which images the figure of extents shows."""

from __future__ import annotations

import numpy as np

from freeloc.datasets.dataset import Dataset
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.geometry.iou import pairwise_iou
from freeloc.images.decode import load_image
from freeloc.metrics import BOX_IOU, Detections
from freeloc.paper.figures.catalog import BoxExample
from freeloc.paper.score_rows import surest

__all__ = ["box_examples"]


def box_examples(found: Detections, dataset: Dataset, count: int, *, right: bool) -> list[BoxExample]:
    """The surest boxes of their kind, one of each class, the surest first.

    Args:
        found: boxes in the images of the data set.
        dataset: the images, with boxes.
        count: at most so many.
        right: whether boxes that overlap an object of their class by half are meant, or those that do not.
    """
    shape = (len(dataset), len(dataset.classes))
    best = np.full(shape, -1)
    order = np.argsort(-found.score, kind="stable")[::-1]  # the surest is written last, and stays
    best[found.image[order], found.label[order]] = order
    scores, overlaps = np.full(shape, -np.inf), np.zeros(shape)
    truth = ground_truth_of(dataset)
    for image, label in np.argwhere(best >= 0):
        index = best[image, label]
        scores[image, label] = found.score[index]
        own = truth.boxes_of(image, label)
        overlaps[image, label] = pairwise_iou(found.boxes[index], own).max(initial=0.0)
    kind = (best >= 0) & ((overlaps >= BOX_IOU[0]) == right)
    examples = []
    for image, label in surest(scores, kind, count):
        own = truth.boxes_of(image, label)
        examples.append(
            BoxExample(
                load_image(dataset.samples[image].path),
                dataset.classes[label],
                [_edges(found.boxes[best[image, label]])],
                [_edges(box) for box in own],
                float(overlaps[image, label]),
            )
        )
    return examples


def _edges(box: np.ndarray) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = map(float, box)
    return x1, y1, x2, y2
