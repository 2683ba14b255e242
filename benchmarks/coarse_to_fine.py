"""Coarse-to-fine prediction: does it beat fixed sets of scales at equal cost?

    python -m benchmarks.coarse_to_fine --model run/model.safetensors

Each image is scored once at all test scales; the score maps determine what each strategy would predict. Four
strategies are compared with all 63 fixed sets of scales, at fixed thresholds that are not fitted:

* early exit: after a first set of scales, an image continues to more scales only if some class is undecided;
* single class: early exit if one class is requested; only images that may contain it continue;
* regions: the finest scales are computed only around positions with high scores at the coarse scales;
* both: regions, only in images with an undecided class.

The cost is counted in pixels and nothing is timed, so other load on the machine does not matter. This study
is not part of ``make bench``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.cost import FlopCounter
from benchmarks.frontier import pareto_frontier, subsets
from benchmarks.machine import describe
from benchmarks.results import Section, save_section, scale_list, table
from benchmarks.strategies import (
    CONTEXT,
    METRICS,
    BootstrapMetrics,
    FixedScales,
    Flags,
    FrontierLine,
    Outcome,
    RefinedRegions,
    Strategy,
    apply_strategies,
    early_exit,
    single_class_exit,
)
from benchmarks.workload import (
    QUICK,
    Workload,
    add_options,
    open_workload,
    output_folder,
    positive,
    run,
    untrained_model,
)
from freeloc._typing import Float32Array, Float64Array
from freeloc.errors import ModelError
from freeloc.evaluation.annotations import Annotations
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.images.decode import read_image_size

__all__ = ["EXITS", "MARGINS", "REGIONS", "main", "measure_coarse_to_fine", "render", "single_class_saving"]

EXITS: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    ((1.0,), (1.0, 2.0)),
    ((1.0,), (0.7, 1.0, 1.4, 2.0)),
    ((0.7, 1.4), (0.7, 1.4, 2.0)),
    ((0.7, 1.4), (0.7, 1.4, 2.8)),
    ((0.7, 1.4), (0.7, 1.0, 1.4, 2.8)),
    ((0.7, 1.4), TEST_SCALES),
    ((0.7, 1.4, 2.0), TEST_SCALES),
)
"""Pairs of a first set of scales, and the set of all scales of images that continue."""

MARGINS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""A class is undecided if its raw score is closer to 0 than the margin; at 2, its probability is between 12% and
88%. A single requested class is possible if its score exceeds minus the margin."""

REGIONS = tuple(
    RefinedRegions(first, fine, threshold, relative)
    for first, fine in (
        ((1.0,), (2.0,)),
        ((0.7, 1.4), (2.0,)),
        ((0.7, 1.4), (2.8,)),
        ((0.7, 1.0, 1.4), (2.8,)),
    )
    for relative in (0.0, 0.8)
    for threshold in (0.1, 0.2, 0.3, 0.4)
)
"""All regions that are measured."""

_BOTH = (RefinedRegions((0.7, 1.4), (2.0,), 0.1, 0.8), RefinedRegions((0.7, 1.4), (2.8,), 0.1, 0.8))
"""Regions that are also measured in combination with early exit."""

_RESAMPLES, _QUICK_RESAMPLES = 200, 10

Row: TypeAlias = dict[str, Any]
Outcomes: TypeAlias = Mapping[Strategy, Outcome]


def measure_coarse_to_fine(
    workload: Workload,
    images: int | None,
    training: Workload,
    shift_images: int,
    resamples: int = _RESAMPLES,
) -> dict[str, Any]:
    """Measure all strategies at all thresholds.

    Args:
        workload: a trained model with max pooling, and images.
        images: number of images; None uses all.
        training: the same model, with its training images.
        shift_images: number of training images from which a shift of the scores is estimated, which makes
            scores from few scales and from many scales comparable.
        resamples: number of bootstrap resamples for the standard errors.

    Returns:
        A part of a section of the results. Every row of "early_exit", "single_class", "regions" and "both"
        contains the strategy, the percentage of pixels, the `METRICS`, and how far they lie above the line of
        the fixed sets, with standard errors; rows of "early_exit" also contain the metrics with shifted
        scores.
    """
    dataset = workload.first(images)
    sets = [
        FixedScales(tuple(TEST_SCALES[index] for index in chosen)) for chosen in subsets(len(TEST_SCALES))
    ]
    strategies: list[Strategy] = [*sets, *REGIONS]
    outcomes = dict(zip(strategies, apply_strategies(workload, dataset, strategies, "images"), strict=True))
    metrics = BootstrapMetrics(Annotations.read(dataset), resamples)
    values = [metrics(outcomes[fixed]) for fixed in sets]
    costs = [_percent(outcomes[fixed]) for fixed in sets]
    figures = _Figures(metrics, FrontierLine(costs, values))
    shifts = _shifts(training, shift_images)
    return {
        "images": len(dataset),
        "shift_images": len(training.first(shift_images)),
        "resamples": resamples,
        "context": CONTEXT,
        "fixed": _fixed_rows(sets, costs, values),
        "early_exit": list(_exit_rows(outcomes, shifts, figures)),
        "single_class": list(_single_class_rows(outcomes, figures)),
        "regions": [{**asdict(regions), **figures(outcomes[regions])} for regions in REGIONS],
        "both": list(_combined_rows(outcomes, figures)),
    }


class _Figures:
    """Computation of the figures in a row."""

    def __init__(self, metrics: BootstrapMetrics, line: FrontierLine) -> None:
        self._metrics = metrics
        self._line = line

    def __call__(self, outcome: Outcome) -> Row:
        """Return pixels, metrics, and differences from the line."""
        values = self._metrics(outcome)
        cost = _percent(outcome)
        return {"pixels": round(cost, 2), **_rounded(values), "above": self._line.above(cost, values)}

    def accuracies(self, outcome: Outcome) -> Row:
        """Return the metrics alone."""
        return _rounded(self._metrics(outcome))


def _percent(outcome: Outcome) -> float:
    return 100 * float(outcome.pixels.mean())


def _rounded(values: Float64Array) -> Row:
    return {name: round(float(metric[0]), 2) for name, metric in zip(METRICS, values, strict=True)}


def _fixed_rows(
    sets: Sequence[FixedScales], costs: Sequence[float], values: Sequence[Float64Array]
) -> list[Row]:
    """Return a row for each fixed set by increasing cost; "best_in" lists the metrics whose frontier it is on."""
    best = [
        set(pareto_frontier(costs, [value[metric, 0] for value in values])) for metric in range(len(METRICS))
    ]
    order = sorted(range(len(sets)), key=lambda index: costs[index])
    return [
        {
            "scales": list(sets[index].scales),
            "pixels": round(costs[index], 2),
            **_rounded(values[index]),
            "best_in": [
                name for name, on_frontier in zip(METRICS, best, strict=True) if index in on_frontier
            ],
        }
        for index in order
    ]


def _shifts(training: Workload, count: int) -> list[Float32Array]:
    """Return the (K,) mean increase of the scores from the first set to the second, for each pair of `EXITS`."""
    sets = list(dict.fromkeys(FixedScales(scales) for pair in EXITS for scales in pair))
    outcomes = apply_strategies(training, training.first(count), sets, "images for the shift")
    scores = {fixed.scales: outcome.scores for fixed, outcome in zip(sets, outcomes, strict=True)}
    return [(scores[second] - scores[first]).mean(axis=0) for first, second in EXITS]


def _exit_rows(outcomes: Outcomes, shifts: Sequence[Float32Array], figures: _Figures) -> Iterator[Row]:
    for (first, second), shift in zip(EXITS, shifts, strict=True):
        pair = outcomes[FixedScales(first)], outcomes[FixedScales(second)]
        for margin in MARGINS:
            outcome, continues = early_exit(*pair, margin)
            yield {
                **_exit(first, second, margin, continues),
                **figures(outcome),
                "shifted": figures.accuracies(early_exit(*pair, margin, shift)[0]),
            }


def _single_class_rows(outcomes: Outcomes, figures: _Figures) -> Iterator[Row]:
    for first, second in EXITS:
        pair = outcomes[FixedScales(first)], outcomes[FixedScales(second)]
        for margin in MARGINS:
            outcome, continues = single_class_exit(*pair, margin)
            yield {**_exit(first, second, margin, continues), **figures(outcome)}


def _exit(first: tuple[float, ...], second: tuple[float, ...], margin: float, continues: Flags) -> Row:
    percent = round(100 * float(continues.mean()), 1)
    return {"first": list(first), "second": list(second), "margin": margin, "continue": percent}


def _combined_rows(outcomes: Outcomes, figures: _Figures) -> Iterator[Row]:
    for regions in _BOTH:
        for margin in MARGINS:
            outcome, continues = early_exit(outcomes[FixedScales(regions.first)], outcomes[regions], margin)
            percent = round(100 * float(continues.mean()), 1)
            yield {**asdict(regions), "margin": margin, "continue": percent, **figures(outcome)}


def single_class_saving(workload: Workload) -> float:
    """Return the percentage of operations at scale 1 that computing a single class instead of all would save.

    It is small, because only the last convolution depends on the classes.
    """
    size = read_image_size(workload.paths(1)[0])
    canvas = Pyramid((1.0,)).grid(size, 1.0, workload.backbone.layout).canvas
    settings = workload.model.head.settings
    single = untrained_model(workload.backbone, workload.model.header.classes[:1], settings.hidden)
    total, one = (
        FlopCounter(workload.backbone, model.head)(canvas.height, canvas.width).total
        for model in (workload.model, single)
    )
    return 100 * (total - one) / total


# --- page
# ----------------------------------------------------------------------------------------------------

_METRIC_TITLES = ("classification mAP", "location mAP", "pointing game")
_EXIT_TITLES = ("first", "second", "margin", "continue", "pixels", *_METRIC_TITLES)


def render(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks of the section."""
    workload = section["workload"]
    yield "## Coarse-to-fine prediction"
    yield (
        f"Strategies that compute finer scales only if needed. Backbone `{workload['backbone']}`, "
        f"{section['images']} images of {workload['data']}; pixels are relative to those of all six scales. "
        "In parentheses after a metric: how far it lies above the line through the best fixed sets of scales "
        f"at equal pixels, ± the standard error of this difference over {section['resamples']} bootstrap "
        "resamples. All tested thresholds are listed."
    )
    yield "### Fixed sets of scales"
    yield "Sets that are on the frontier of pixels and at least one metric; that metric is in bold."
    yield table(
        ("scales", "pixels", *_METRIC_TITLES),
        [
            (
                scale_list(row["scales"]),
                f"{row['pixels']:.1f}%",
                *(
                    f"**{row[name]:.1f}**" if name in row["best_in"] else f"{row[name]:.1f}"
                    for name in METRICS
                ),
            )
            for row in section["fixed"]
            if row["best_in"]
        ],
    )
    yield "### Early exit"
    yield (
        "An image continues from the first set of scales to the second if the score of some class is closer "
        "to 0 than the margin. *Shifted*: classification and location mAP if the mean increase of each "
        "class's score from adding scales is added to the scores of images that do not continue, estimated "
        f"on {section['shift_images']} images of the training split."
    )
    yield table(
        (*_EXIT_TITLES, "shifted"),
        [
            (*_exit_cells(row), f"{row['shifted']['classification']:.1f}, {row['shifted']['location']:.1f}")
            for row in section["early_exit"]
        ],
    )
    yield "### Single class"
    yield (
        "Early exit for a single requested class: an image continues if the score of that class exceeds "
        "minus the margin. Each class is requested in turn; pixels are means over classes. Not computing the "
        f"other {workload['classes'] - 1} classes would alone save {section['single_class_saving']:g}% of "
        "the operations, because only the last convolution depends on the classes."
    )
    yield table(_EXIT_TITLES, [tuple(_exit_cells(row)) for row in section["single_class"]])
    yield from _render_regions(section)


def _exit_cells(row: Section) -> Iterator[str]:
    yield scale_list(row["first"])
    yield scale_list(row["second"])
    yield f"{row['margin']:g}"
    yield f"{row['continue']:.0f}%"
    yield f"{row['pixels']:.1f}%"
    yield from _metric_cells(row)


def _render_regions(section: Section) -> Iterator[str]:
    yield "### Regions"
    yield (
        "The fine scale is computed only in a rectangle around positions at which a class's fused map of the "
        "first scales reaches the threshold and, in the column *relative*, a fraction of its own maximum. "
        f"The pixels include {section['context']} cells of context on each side. This is an estimate from "
        "maps of whole canvases. With a margin: only in images with an undecided class."
    )
    yield table(
        ("first", "fine", "threshold", "relative", "margin", "pixels", *_METRIC_TITLES),
        [
            (
                scale_list(row["first"]),
                scale_list(row["fine"]),
                f"{row['threshold']:g}",
                f"{row['relative']:g}",
                f"{row['margin']:g}" if "margin" in row else "",
                f"{row['pixels']:.1f}%",
                *_metric_cells(row),
            )
            for row in (*section["regions"], *section["both"])
        ],
    )


def _metric_cells(row: Section) -> Iterator[str]:
    for name in METRICS:
        above, error = row["above"][name]
        yield f"{row[name]:.1f} ({above:+.1f} ± {error:.1f})"


# --- command line
# --------------------------------------------------------------------------------------------


def _open(arguments: argparse.Namespace, split: str) -> Workload:
    workload = open_workload(arguments.data, arguments.model, split=split, precision=arguments.precision)
    if workload.model.header.pooling != "max":
        raise ModelError(
            f"{arguments.model} uses {workload.model.header.pooling} pooling: specify a model with max pooling"
        )
    return workload


def main(words: list[str] | None = None) -> None:
    """Measure all strategies, write the results and the page, and print the section as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coarse_to_fine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--model", type=Path, required=True, help="trained model", metavar="FILE")
    parser.add_argument("--images", type=positive, help="number of images (default: all)")
    parser.add_argument(
        "--train-split", default="train", help="split for estimating the shift of the scores (default: train)"
    )
    parser.add_argument(
        "--shift-images", type=positive, default=300, help="images for the shift of the scores (default: 300)"
    )
    arguments = parser.parse_args(words)
    workload = _open(arguments, arguments.split)
    section = {
        "quick": arguments.quick,
        "machine": describe(),
        "workload": workload.to_dict(),
        "single_class_saving": float(f"{single_class_saving(workload):.2g}"),
        **measure_coarse_to_fine(
            workload,
            QUICK.accuracy if arguments.quick and arguments.images is None else arguments.images,
            _open(arguments, arguments.train_split),
            QUICK.accuracy if arguments.quick else arguments.shift_images,
            _QUICK_RESAMPLES if arguments.quick else _RESAMPLES,
        ),
    }
    save_section(output_folder(arguments), "coarse_to_fine", section)
    print(json.dumps(section, indent=1))


if __name__ == "__main__":
    run(main)
