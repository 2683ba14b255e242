"""Masks of a model trained on generated scenes, compared with the exact visible pixels of the objects.

    freeloc demo --out demo
    python -m benchmarks.masks --model demo/run --scenes 200

Levels that were chosen on some scenes are measured on others with ``--first``, the index of the first one.

For each level, the table shows the mean IoU of the masks of all classes that are present in a scene, with detail
features and from maps alone. Objects of one class in one scene count as one mask.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.workload import positive, run
from freeloc._typing import BoolArray, Float64Array
from freeloc.demo.scenes import SCENE_CLASSES, Scene, SceneSettings, draw_scene
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.progress import track

__all__ = ["LEVELS", "main", "mean_iou"]

LEVELS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)

FIRST = 1_000_000
"""Index of the first scene, far beyond those on which models are trained."""


def mean_iou(localizer: Localizer, count: int, first: int = FIRST) -> tuple[Float64Array, Float64Array]:
    """Return the mean IoU at each of `LEVELS`, with detail features and from maps alone.

    Args:
        localizer: a model of the classes of generated scenes.
        count: number of scenes.
        first: index of the first scene.
    """
    overlaps: list[list[list[float]]] = [[], []]
    for index in track(range(first, first + count), "predicting scenes", count):
        scene = draw_scene(index, SceneSettings())
        result = localizer.predict(scene.image)
        for kind, seen in enumerate((result, replace(result, cues=None))):
            overlaps[kind] += _overlaps(seen, scene)
    with_detail, maps_alone = (np.mean(of_kind, axis=0) for of_kind in overlaps)
    return with_detail, maps_alone


def _overlaps(result: Localization, scene: Scene) -> list[list[float]]:
    """Return the IoU at each level, for each class in the scene."""
    found = []
    for label in sorted({box.label for box in scene.boxes}):
        exact = np.logical_or.reduce(
            [mask for box, mask in zip(scene.boxes, scene.masks, strict=True) if box.label == label]
        )
        name = SCENE_CLASSES[label]
        found.append([_iou(result.mask(name, level=level), exact) for level in LEVELS])
    return found


def _iou(first: BoolArray, second: BoolArray) -> float:
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.masks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, help="model trained on generated scenes")
    parser.add_argument("--scenes", type=positive, default=200, help="number of scenes (default: 200)")
    parser.add_argument(
        "--first", type=positive, default=FIRST, help="index of the first scene (default: %(default)s)"
    )
    chosen = parser.parse_args(arguments)
    with_detail, maps_alone = mean_iou(Localizer(chosen.model), chosen.scenes, chosen.first)
    print("| level | with detail features | maps alone |")
    print("|---|---|---|")
    for level, detail, maps in zip(LEVELS, with_detail, maps_alone, strict=True):
        print(f"| {level:g} | {100 * detail:.1f} | {100 * maps:.1f} |")


if __name__ == "__main__":
    run(main)
