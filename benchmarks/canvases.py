"""The paper's ways of resizing and padding compared with freeloc's, with one model on the same images.

For each kind of canvas, the model predicts all images. The table shows how many of the confident points (classes
with a probability of at least 0.5 on freeloc's canvases) move by more than the paper's tolerance of 18 pixels, the
largest change of a raw score, and the accuracies. Points are located as in the paper, and on fused maps.

    python -m benchmarks.canvases --model RUN --data DATA --split val

The columns *resize* and *padding* name the options of ``freeloc train``. A model that was trained with one of them
can be measured on every kind of canvas.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.workload import Evaluator, Workload, open_workload, positive, run
from freeloc._literals import LocationMode, Padding, Resize
from freeloc._typing import Float32Array, Float64Array
from freeloc.inference.fusion import localize
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.io.progress import track
from freeloc.metrics import LocationOptions

__all__ = ["KINDS", "Row", "compare_canvases", "main"]

KINDS: tuple[tuple[Resize, Padding], ...] = (
    ("once", "stride"),
    ("paper", "stride"),
    ("once", "paper"),
    ("paper", "paper"),
)
"""Ways of resizing and padding; the first is freeloc's own."""

_CONFIDENT = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """Results with one kind of canvas.

    Attributes:
        resize: how images are resized.
        padding: how canvases are padded.
        confident: number of points of classes that are probable on freeloc's canvases.
        moved: number of these that are farther than 18 pixels from those on freeloc's canvases, located as in the
            paper.
        largest_change: largest difference between a raw score and that on freeloc's canvases.
        classification: classification mAP in percent.
        location: location mAP in percent, with points located as in the paper.
        fused: location mAP in percent, with points located on fused maps.
    """

    resize: Resize
    padding: Padding
    confident: int
    moved: int
    largest_change: float
    classification: float
    location: float
    fused: float


@dataclass(frozen=True, eq=False)
class _Results:
    """Scores, (N, K), and points of each mode, (N, K, 2), of N images."""

    scores: Float32Array
    probabilities: Float64Array
    points: dict[LocationMode, Float64Array]


def compare_canvases(workload: Workload, images: int | None) -> list[Row]:
    """Return one row for each of `KINDS`.

    Args:
        workload: the model, and annotated images.
        images: number of images; None for all.
    """
    dataset = workload.first(images)
    evaluator = Evaluator.of(dataset)
    paths = [sample.path for sample in dataset]
    results = [_predict(workload, paths, resize, padding) for resize, padding in KINDS]
    return list(_rows(results, evaluator))


def _predict(workload: Workload, paths: Sequence[Path], resize: Resize, padding: Padding) -> _Results:
    model = workload.model.with_header(resize=resize, padding=padding)
    options = LocalizerOptions(scales=model.header.scales, precision=workload.precision)
    localizer = Localizer.from_model(model, workload.backbone, options)
    maps = track(localizer.score_maps_many(paths), f"resize {resize}, padding {padding}", len(paths))
    modes = get_args(LocationMode)
    found = [
        {
            mode: localize(scales, model.header.classes, mode=mode, pooling=model.header.pooling)
            for mode in modes
        }
        for scales in maps
    ]
    return _Results(
        np.stack([of_image["paper"].scores for of_image in found]),
        np.stack([of_image["paper"].probabilities for of_image in found]),
        {mode: np.stack([of_image[mode].points for of_image in found]) for mode in modes},
    )


def _rows(results: Sequence[_Results], evaluator: Evaluator) -> Iterator[Row]:
    own = results[0]
    confident = own.probabilities >= _CONFIDENT
    for (resize, padding), found in zip(KINDS, results, strict=True):
        distances = np.linalg.norm(found.points["paper"] - own.points["paper"], axis=2)
        yield Row(
            resize,
            padding,
            int(confident.sum()),
            int((distances[confident] > LocationOptions().tolerance).sum()),
            float(np.abs(found.scores - own.scores).max()),
            evaluator.classification(found.scores),
            evaluator.location(found.points["paper"], found.scores),
            evaluator.location(found.points["fused"], found.scores),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.canvases",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, help="trained model")
    parser.add_argument("--data", type=Path, help="annotated dataset; default: voc in FREELOC_TEST_DATA")
    parser.add_argument("--split", default="val", help="split of the dataset (default: val)")
    parser.add_argument("--images", type=positive, help="number of images (default: all)")
    chosen = parser.parse_args(arguments)
    workload = open_workload(chosen.data, chosen.model, split=chosen.split)
    print(
        "| resize | padding | moved points | largest change | classification | location | location, fused |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in compare_canvases(workload, chosen.images):
        print(
            f"| `{row.resize}` | `{row.padding}` | {row.moved} of {row.confident} | {row.largest_change:.2f} "
            f"| {row.classification:.1f} | {row.location:.1f} | {row.fused:.1f} |"
        )


if __name__ == "__main__":
    run(main)
