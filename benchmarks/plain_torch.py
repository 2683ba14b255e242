"""freeloc compared with the same model in a plain torch loop: speed and agreement of the results."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.machine import usable_cores
from benchmarks.timing import Task, exhaust, interleaved
from benchmarks.workload import Amounts, Evaluator, Workload
from freeloc._literals import Padding
from freeloc._typing import Float64Array
from freeloc.datasets import PRESENT
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.size import REFERENCE_SIDE
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import ImageSource
from freeloc.inference.fusion import localize
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import ScoreMap
from freeloc.io.progress import track
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone

__all__ = [
    "BALANCED",
    "BALANCED_INT8",
    "FREELOC",
    "FREELOC_INT8",
    "SQUARE",
    "TUNED",
    "PlainTorch",
    "measure_agreement",
    "measure_throughput",
    "near_maximum",
    "within_cell",
    "within_winning_cell",
]

FREELOC = "freeloc, predict_many"
FREELOC_INT8 = "freeloc int8, predict_many"
BALANCED = "freeloc, predict_many, balanced"
BALANCED_INT8 = "freeloc int8, predict_many, balanced"
SQUARE = "eager torch float32, square padding"
TUNED = "eager torch float32, freeloc's canvases, channels-last weights"

_MODES: tuple[LocationMode, ...] = ("fused", "paper")

_TIE = 0.01
"""Points count as tied if the map there is lower than its maximum by at most this fraction."""

Flags: TypeAlias = npt.NDArray[np.bool_]


class PlainTorch:
    """Eager float32 torch, one image and one scale after another, like a straightforward implementation.

    It uses the simple optimizations: no gradients, all cores, and canvases in channels-last layout, with which
    torch's convolutions are faster.

    Args:
        model: the model.
        backbone: its backbone, before or after training.
        scales: scales of prediction.
        padding: "square" as in the paper; "stride" for freeloc's canvases.
        channels_last: whether to store the backbone's weights in channels-last layout too.
    """

    def __init__(
        self,
        model: Model,
        backbone: Backbone,
        *,
        scales: tuple[float, ...],
        padding: Padding = "square",
        channels_last: bool = False,
    ) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._backbone = copy.deepcopy(model.adapt_backbone(backbone)).float().eval()
        self._backbone.to(memory_format=layout)  # type: ignore[call-overload]
        self._head = copy.deepcopy(model.head).float().eval()
        self._model = model
        self._pyramid = replace(model.header.pyramid, scales=scales, padding=padding)

    @torch.inference_mode()
    def score_maps(self, image: ImageSource) -> list[ScoreMap]:
        """Compute the raw score maps of one image, one per scale, cropped to the valid cells."""
        maps = []
        for grid, canvas in load_canvases(
            image, self._pyramid, self._backbone.layout, self._backbone.pad_color
        ):
            features = self._backbone(torch.from_numpy(canvas)[None])
            scores = self._head(self._backbone.projection(features))[0].numpy()
            maps.append(ScoreMap.of(scores[:, : grid.valid_rows, : grid.valid_cols], grid))
        return maps

    def predict(self, image: ImageSource, mode: LocationMode = "fused") -> Localization:
        """Compute scores, points and maps of all classes."""
        path = Path(image) if isinstance(image, str | Path) else None
        header = self._model.header
        return localize(self.score_maps(image), header.classes, mode=mode, pooling=header.pooling, path=path)


# --- throughput
# ----------------------------------------------------------------------------------------------


def measure_throughput(workload: Workload, amounts: Amounts) -> dict[str, Any]:
    """Time the prediction of many images, from file to points, for all classes.

    Everything runs at all scales, except freeloc's preset "balanced".

    Args:
        workload: model and images.
        amounts: number of images and rounds.

    Returns:
        Images per round, milliseconds per image for each implementation, freeloc's speedup in float and, if the
        model has an int8 network, in int8, and the speedup of int8 over the float network.
    """
    torch.set_num_threads(usable_cores())
    images = workload.paths(amounts.throughput)
    localizers = {FREELOC: workload.localizer(), BALANCED: workload.localizer(preset="balanced")}
    if workload.has_int8:
        localizers[FREELOC_INT8] = workload.localizer(precision="int8")
        localizers[BALANCED_INT8] = workload.localizer(precision="int8", preset="balanced")
    square = PlainTorch(workload.model, workload.backbone, scales=workload.scales)
    tuned = PlainTorch(
        workload.model,
        workload.backbone,
        scales=workload.scales,
        padding=workload.model.header.padding,
        channels_last=True,
    )
    tasks: dict[str, Task] = {
        **{name: _prediction(localizer, images) for name, localizer in localizers.items()},
        SQUARE: lambda: exhaust(square.predict(image) for image in images),
        TUNED: lambda: exhaust(tuned.predict(image) for image in images),
    }
    warm_ups: dict[str, Task] = {
        **{name: tasks[name] for name in localizers},  # every stream compiles for every canvas shape
        SQUARE: lambda: square.predict(images[0]),
        TUNED: lambda: tuned.predict(images[0]),
    }
    timings = interleaved(tasks, rounds=amounts.rounds, warm_ups=warm_ups)
    return {
        "images": len(images),
        "rounds": amounts.rounds,
        "ms_per_image": timings.to_dict(1e3 / len(images)),
        "speedup": {
            name: {other: timings.ratio(other, name).to_dict() for other in (SQUARE, TUNED)}
            for name in localizers
        },
        **({"int8_over_float": timings.ratio(FREELOC, FREELOC_INT8).to_dict()} if workload.has_int8 else {}),
    }


def _prediction(localizer: Localizer, images: Sequence[Path]) -> Task:
    return lambda: exhaust(localizer.predict_many(images))


# --- agreement
# -----------------------------------------------------------------------------------------------


def measure_agreement(workload: Workload, amounts: Amounts) -> dict[str, Any]:
    """Compare freeloc's results with those of eager torch float32 on the same canvases.

    The distance between two points of a class is measured along each axis. In paper mode, a point is the center of
    a cell, so "one cell" is a cell of the scale of the reference's point. In fused mode, no single scale
    determines a point, so distances are compared with a cell of the finest scale, which is the strictest, and with
    a cell of scale 1. Finally, a point is also accepted if the reference's map at that point is within 1% of its
    maximum.

    Args:
        workload: model and images.
        amounts: number of images.

    Returns:
        Percentage of points within one cell, over all classes of all images and over the present classes; the
        largest difference of a score; and average precisions of both. If the model has an int8 network,
        "int8" contains the same figures for it.
    """
    torch.set_num_threads(usable_cores())
    dataset = workload.first(amounts.accuracy)
    paths = [sample.path for sample in dataset]
    localizers = [workload.localizer()]
    if workload.has_int8:
        localizers.append(workload.localizer(precision="int8"))
    reference = PlainTorch(
        workload.model,
        workload.backbone,
        scales=workload.scales,
        padding=workload.model.header.padding,
        channels_last=True,
    )
    evaluator = Evaluator.of(dataset)
    agreements = [_Agreement(workload, evaluator) for _ in localizers]
    score_maps = zip(*(localizer.score_maps_many(paths) for localizer in localizers), strict=True)
    for maps, path in zip(track(score_maps, "agreement with torch float32", len(paths)), paths, strict=True):
        reference_maps = reference.score_maps(path)
        for agreement, of_localizer in zip(agreements, maps, strict=True):
            agreement.add(of_localizer, reference_maps)
    floats, *int8 = (agreement.to_dict() for agreement in agreements)
    return {**floats, "int8": int8[0]} if int8 else floats


class _Agreement:
    """Accumulator of the results of freeloc and of the reference."""

    def __init__(self, workload: Workload, evaluator: Evaluator) -> None:
        self._workload = workload
        self._evaluator = evaluator
        self._pairs: dict[LocationMode, list[tuple[Localization, Localization]]] = {
            mode: [] for mode in _MODES
        }
        self._near: defaultdict[str, list[Flags]] = defaultdict(list)

    def add(self, maps: list[ScoreMap], reference_maps: list[ScoreMap]) -> None:
        """Add the score maps of one image."""
        header = self._workload.model.header
        for mode, pairs in self._pairs.items():
            found, expected = (
                localize(of_one, header.classes, mode=mode, pooling=header.pooling)
                for of_one in (maps, reference_maps)
            )
            pairs.append((found, expected))
        fused, finest = self._pairs["fused"][-1], max(self._workload.scales)
        layout = self._workload.backbone.layout
        within_finest = within_cell(*fused, layout, finest)
        # If the finest scale is 1, two entries are the same.
        flags = {
            "paper mode, cell of the winning scale": within_winning_cell(
                *self._pairs["paper"][-1], reference_maps
            ),
            f"fused mode, cell of scale {finest:g}": within_finest,
            "fused mode, cell of scale 1": within_cell(*fused, layout, 1.0),
            f"fused mode, cell of scale {finest:g} or within 1% of the maximum": within_finest
            | near_maximum(*fused),
        }
        for name, of_image in flags.items():
            self._near[name].append(of_image)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures over all added images."""
        present = self._evaluator.annotations.labels == PRESENT
        fused = self._pairs["fused"]
        differences = [np.abs(found.scores - expected.scores).max() for found, expected in fused]
        return {
            "images": len(fused),
            "points_within_one_cell": {
                name: _percentages(np.stack(values), present) for name, values in self._near.items()
            },
            "largest_score_difference": float(f"{max(differences):.3g}"),
            "map": self._average_precisions(),
        }

    def _average_precisions(self) -> dict[str, Any]:
        evaluator = self._evaluator
        rows: dict[str, Any] = {}
        for mode, pairs in self._pairs.items():
            points = [np.stack([pair[side].points for pair in pairs]) for side in (0, 1)]
            scores = [np.stack([pair[side].scores for pair in pairs]) for side in (0, 1)]
            location = [evaluator.location(*values) for values in zip(points, scores, strict=True)]
            rows[f"location, {mode}"] = _comparison(*location)
            rows["classification"] = _comparison(*(evaluator.classification(values) for values in scores))
        return rows


def within_cell(found: Localization, expected: Localization, layout: CellLayout, scale: float) -> Flags:
    """Return (K,) flags of points that are at most one cell of a scale apart along each axis."""
    side = layout.stride / scale * expected.image_size.longest / REFERENCE_SIDE
    return _near(found.points, expected.points, np.full((1, 2), side))


def within_winning_cell(found: Localization, expected: Localization, maps: Sequence[ScoreMap]) -> Flags:
    """Return (K,) flags of points that are at most one cell of the expected point's scale apart.

    Args:
        found: result to check.
        expected: result to compare with.
        maps: score maps of the expected result; for each class, the scale with the highest score counts.
    """
    winners = np.stack([scale_map.maxima for scale_map in maps]).argmax(axis=0)
    sides = np.array([scale_map.grid.cell_size for scale_map in maps])[winners]
    return _near(found.points, expected.points, sides)


def near_maximum(found: Localization, expected: Localization) -> Flags:
    """Return (K,) flags of points at which the expected map is within 1% of its maximum."""
    lattice = expected.lattice
    cols = np.abs(found.points[:, :1] - lattice.xs).argmin(axis=1)
    rows = np.abs(found.points[:, 1:] - lattice.ys).argmin(axis=1)
    values = expected.maps[np.arange(len(cols)), rows, cols]
    return np.asarray(values >= (1 - _TIE) * expected.maps.max(axis=(1, 2)), dtype=np.bool_)


def _near(points: Float64Array, others: Float64Array, sides: Float64Array) -> Flags:
    # The tolerance includes points that are exactly one cell apart, up to rounding.
    return np.asarray((np.abs(points - others) <= sides * 1.001).all(axis=1), dtype=np.bool_)


def _percentages(near: Flags, present: Flags) -> dict[str, float]:
    return {
        "all_classes": round(100 * float(near.mean()), 3),
        "present_classes": round(100 * float(near[present].mean()), 3),
    }


def _comparison(freeloc: float, reference: float) -> dict[str, float]:
    return {
        "freeloc": round(freeloc, 3),
        "torch_float32": round(reference, 3),
        "difference": round(freeloc - reference, 3),
    }
