"""Which photographs the figure of extents shows."""

from __future__ import annotations

import numpy as np

from freeloc.boxes import pairwise_iou
from freeloc.datasets.sample import Dataset
from freeloc.evaluation import objects_of
from freeloc.metrics import BOX_IOU, Detections
from freeloc.photographs import load_photograph
from freeloc.report.figures import ExtentExample
from freeloc.reproduce.reading import surest

__all__ = ["extent_examples"]


def extent_examples(found: Detections, dataset: Dataset, count: int, *, right: bool) -> list[ExtentExample]:
    """The surest boxes of their kind, one of each class, the surest first.

    Args:
        found: boxes in the photographs of the data set.
        dataset: the photographs, with boxes.
        count: at most so many.
        right: whether boxes that overlap an object of their class by half are meant, or those that do not.
    """
    shape = (len(dataset), len(dataset.classes))
    best = np.full(shape, -1)
    order = np.argsort(-found.score, kind="stable")[::-1]  # the surest is written last, and stays
    best[found.photo[order], found.label[order]] = order
    scores, overlaps = np.full(shape, -np.inf), np.zeros(shape)
    truth = [objects_of(sample) for sample in dataset]
    for photo, label in np.argwhere(best >= 0):
        index = best[photo, label]
        scores[photo, label] = found.score[index]
        own = truth[photo].boxes[truth[photo].labels == label]
        overlaps[photo, label] = pairwise_iou(found.boxes[index], own).max(initial=0.0)
    kind = (best >= 0) & ((overlaps >= BOX_IOU[0]) == right)
    examples = []
    for photo, label in surest(scores, kind, count):
        own = truth[photo].boxes[truth[photo].labels == label]
        examples.append(
            ExtentExample(
                load_photograph(dataset.samples[photo].path),
                dataset.classes[label],
                [_edges(found.boxes[best[photo, label]])],
                [_edges(box) for box in own],
                float(overlaps[photo, label]),
            )
        )
    return examples


def _edges(box: np.ndarray) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = map(float, box)
    return x1, y1, x2, y2
