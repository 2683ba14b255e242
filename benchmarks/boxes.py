"""Boxes drawn with detail features compared with boxes drawn from maps alone, on the same predictions.

    python -m benchmarks.boxes --model voc20 --data DATA --split val

The table shows the box mAP at each IoU threshold, with 95% intervals, the difference with its paired interval, and
the time that boxes take per image: while the network is running on the next images, and alone, after all of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from benchmarks.compared_model import open_model_and_data, percent
from benchmarks.workload import run
from freeloc.datasets import Dataset
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.inference.boxes import boxes_from_map
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.progress import track
from freeloc.metrics import (
    BOX_IOU,
    Detections,
    bootstrap_intervals,
    detection_rankings,
    paired_bootstrap,
)
from freeloc.metrics.bootstrap import Interval

__all__ = ["BoxComparison", "compare_boxes", "main"]

_TIMED_ALONE: Final = 40
"""Number of images whose boxes are drawn a second time after all predictions."""

_BothKinds: TypeAlias = tuple[tuple[Detections, float], tuple[Detections, float]]
"""Boxes drawn from maps alone and with detail features, each with the seconds that this took."""


@dataclass(frozen=True, eq=False)
class BoxComparison:
    """Box mAP of both kinds of boxes, as fractions.

    Attributes:
        maps: mAP of boxes drawn from maps alone, at each of `freeloc.metrics.BOX_IOU`.
        detail: mAP of boxes drawn with detail features.
        differences: the second minus the first, paired.
        beside: median milliseconds per image of drawing the boxes of all classes while the network is running, for
            both kinds.
        alone: the same after all predictions.
    """

    maps: list[Interval]
    detail: list[Interval]
    differences: list[Interval]
    beside: tuple[float, float]
    alone: tuple[float, float]


def compare_boxes(localizer: Localizer, dataset: Dataset) -> BoxComparison:
    """Predict all images, and compare both kinds of boxes.

    Args:
        localizer: a model whose network has detail features.
        dataset: annotated images with the classes of the model.
    """
    results = localizer.predict_many(sample.path for sample in dataset)
    found: list[_BothKinds] = []
    kept: list[Localization] = []
    for result in track(results, "predicting", len(dataset)):
        if len(kept) < _TIMED_ALONE:
            kept.append(replace(result))  # without what the first drawing computes and stores
        found.append(_timed(result))
    alone = [_timed(result) for result in kept]
    truth = ground_truth_of(dataset)
    kinds = [_joined([pair[kind][0] for pair in found]) for kind in (0, 1)]
    rankings = [detection_rankings(boxes, truth, len(dataset.classes)) for boxes in kinds]
    maps_alone, with_detail = (
        [bootstrap_intervals(ranking).mean for ranking in of_kind] for of_kind in rankings
    )
    return BoxComparison(
        maps_alone,
        with_detail,
        [paired_bootstrap(detail, maps).mean for maps, detail in zip(*rankings, strict=True)],
        _median_milliseconds(found),
        _median_milliseconds(alone),
    )


def _median_milliseconds(drawn: Sequence[_BothKinds]) -> tuple[float, float]:
    maps, detail = (1000 * float(np.median([pair[kind][1] for pair in drawn])) for kind in (0, 1))
    return maps, detail


def _timed(result: Localization) -> _BothKinds:
    """Return the boxes of both kinds in one image, each with the seconds that drawing them took."""
    if result.cues is None or result.cues.detail is None:
        raise SystemExit("the network of this model has no detail features: create its int8 network anew")
    start = time.perf_counter()
    maps = boxes_from_map(
        result.normalized_maps(), result.probabilities, result.lattice, result.decision.box_threshold
    )
    middle = time.perf_counter()
    detail = result.detections()
    return (maps, middle - start), (detail, time.perf_counter() - middle)


def _joined(of_images: Sequence[Detections]) -> Detections:
    return Detections(
        np.concatenate([np.full(len(boxes), index) for index, boxes in enumerate(of_images)]),
        np.concatenate([boxes.label for boxes in of_images]),
        np.concatenate([boxes.score for boxes in of_images]),
        np.concatenate([boxes.boxes for boxes in of_images]),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table in Markdown."""
    localizer, dataset = open_model_and_data("boxes", __doc__, arguments)
    compared = compare_boxes(localizer, dataset)
    thresholds = " | ".join(f"{iou:g}" for iou in BOX_IOU)
    print(f"| box mAP at IoU | {thresholds} | ms beside the network | ms alone |")
    print("|---|" + "---|" * (len(BOX_IOU) + 2))
    rows = {"maps alone": compared.maps, "with detail features": compared.detail}
    times = zip(compared.beside, compared.alone, strict=True)
    for (name, values), (beside, alone) in zip(rows.items(), times, strict=True):
        print(f"| {name} | " + " | ".join(map(percent, values)) + f" | {beside:.1f} | {alone:.1f} |")
    print("| difference | " + " | ".join(map(percent, compared.differences)) + " | | |")


if __name__ == "__main__":
    run(main)
