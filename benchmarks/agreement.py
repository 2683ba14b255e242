"""Does the compiled runtime find what torch float32 finds? Scores, points and average precisions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.baseline import PlainTorch
from benchmarks.machine import usable_cores
from benchmarks.settings import Settings
from benchmarks.subject import Subject, Truth
from freeloc._typing import Float64Array
from freeloc.datasets import PRESENT
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.size import REFERENCE_SIDE
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import ScoreMap
from freeloc.io.progress import track
from freeloc.runtime import InferencePrecision

__all__ = ["as_high", "measure_agreement", "within_cell", "within_winning_cell"]

_MODES: tuple[LocationMode, ...] = ("fused", "paper")

_TIE = 0.01
"""Of a map's maximum: places that are lower by no more are as good."""


def measure_agreement(
    subject: Subject, settings: Settings, precision: InferencePrecision | None = None
) -> dict[str, Any]:
    """Hold freeloc's runtime and precision against eager torch float32 on the same canvases.

    How near two points of a class are is measured along each axis. The paper's way to the point picks a cell, so
    "one cell" is a cell of the scale at which the reference found it. The fused way has no winning scale: its
    points are held against a cell of the finest scale used, the strictest of all, and against a cell of scale 1;
    and once more a point also counts where the reference's own map is within 1% of its maximum there.

    Args:
        subject: the model and images.
        settings: on how many.
        precision: freeloc's; default the subject's.

    Returns:
        Share of points within one cell over all classes of all images and over the classes that are there,
        the largest difference of scores, and average precisions of both.
    """
    torch.set_num_threads(usable_cores())
    samples = subject.dataset.samples[: settings.accuracy]
    truth = Truth.of(samples)
    ours = subject.localizer(precision=precision)
    reference = PlainTorch(
        subject.model,
        subject.backbone,
        scales=subject.scales,
        padding=subject.model.header.padding,
        channels_last=True,
    )
    pairs = zip(
        ours.score_maps_many(sample.path for sample in samples),
        (reference.score_maps(sample.path) for sample in samples),
        strict=True,
    )
    results: dict[LocationMode, list[tuple[Localization, Localization]]] = {mode: [] for mode in _MODES}
    same: dict[str, list[np.ndarray[Any, np.dtype[np.bool_]]]] = {
        "paper": [],
        "finest": [],
        "unit": [],
        "tied": [],
    }
    for mine, theirs in track(pairs, "agreement with torch float32", len(samples)):
        for mode in _MODES:
            found, expected = _localized(mine, subject, mode), _localized(theirs, subject, mode)
            results[mode].append((found, expected))
            if mode == "paper":
                same["paper"].append(within_winning_cell(found, expected, theirs))
        found, expected = results["fused"][-1]
        for name, scale in (("finest", max(subject.scales)), ("unit", 1.0)):
            same[name].append(within_cell(found, expected, subject.backbone.layout, scale))
        same["tied"].append(same["finest"][-1] | as_high(found, expected))
    present = truth.labels == PRESENT
    shares = {name: _shares(np.stack(values), present) for name, values in same.items()}
    fused = results["fused"]
    gaps = [np.abs(found.scores - expected.scores).max() for found, expected in fused]
    return {
        "images": len(samples),
        "points_within_one_cell": {
            "paper, cell of the winning scale": shares["paper"],
            f"fused, cell of scale {max(subject.scales):g}": shares["finest"],
            "fused, cell of scale 1": shares["unit"],
            f"fused, cell of scale {max(subject.scales):g}, or as high to 1%": shares["tied"],
        },
        "largest_score_difference": float(f"{max(gaps):.3g}"),
        "map": _average_precisions(truth, results),
    }


def within_cell(
    found: Localization, expected: Localization, layout: CellLayout, scale: float
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(K,) whether points are at most one cell of a scale apart along each axis."""
    side = layout.stride / scale * expected.image_size.longest / REFERENCE_SIDE
    return _near(found.points, expected.points, np.full((1, 2), side))


def within_winning_cell(
    found: Localization, expected: Localization, maps: Sequence[ScoreMap]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(K,) whether points are at most one cell apart, of the scale whose map is highest in the expected result."""
    winners = np.stack([scale_map.peaks for scale_map in maps]).argmax(axis=0)
    sides = np.array([scale_map.grid.cell_size for scale_map in maps])[winners]
    return _near(found.points, expected.points, sides)


def as_high(found: Localization, expected: Localization) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(K,) whether the expected map, where the other point lies, is within a hundredth of its maximum."""
    lattice = expected.lattice
    cols = np.abs(found.points[:, :1] - lattice.xs).argmin(axis=1)
    rows = np.abs(found.points[:, 1:] - lattice.ys).argmin(axis=1)
    there = expected.maps[np.arange(len(cols)), rows, cols]
    return np.asarray(there >= (1 - _TIE) * expected.maps.max(axis=(1, 2)), dtype=np.bool_)


def _near(
    points: Float64Array, others: Float64Array, sides: Float64Array
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    # A thousandth more: points exactly one cell apart are rounded differently.
    return np.asarray((np.abs(points - others) <= sides * 1.001).all(axis=1), dtype=np.bool_)


def _localized(maps: list[ScoreMap], subject: Subject, mode: LocationMode) -> Localization:
    return localize(maps, subject.model.header.classes, mode=mode, pooling=subject.model.header.pooling)


def _shares(
    same: np.ndarray[Any, np.dtype[np.bool_]], present: np.ndarray[Any, np.dtype[np.bool_]]
) -> dict[str, float]:
    return {
        "all_classes": round(100 * float(same.mean()), 3),
        "present_classes": round(100 * float(same[present].mean()), 3),
    }


def _average_precisions(
    truth: Truth, results: dict[LocationMode, list[tuple[Localization, Localization]]]
) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for mode, pairs in results.items():
        sides = [np.stack([pair[side].points for pair in pairs]) for side in (0, 1)]
        scores = [np.stack([pair[side].scores for pair in pairs]) for side in (0, 1)]
        values = [truth.location(points, score) for points, score in zip(sides, scores, strict=True)]
        rows[f"location, {mode}"] = _compared(*values)
        rows["classification"] = _compared(*(truth.classification(score) for score in scores))
    return rows


def _compared(ours: float, reference: float) -> dict[str, float]:
    return {
        "freeloc": round(ours, 3),
        "torch_float32": round(reference, 3),
        "difference": round(ours - reference, 3),
    }
