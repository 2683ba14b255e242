"""Accuracy against time for all sets of scales: the basis for choosing the presets.

    python -m benchmarks.frontier --data VOCdevkit/VOC2012 --model run/model.safetensors
    other/model.safetensors

Each image is scored once at the six test scales; the score maps are then reused for all 63 sets of scales. The
time of a set is the measured time of its scales, with all cores working on separate images, plus the time that
every image takes regardless of its scales, for decoding and locating the points.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chart import Series, draw_chart
from benchmarks.machine import describe, measure_peaks, usable_cores
from benchmarks.results import Section, machine_table, save_section, scale_list, table
from benchmarks.timing import Task, interleaved
from benchmarks.workload import (
    Amounts,
    Evaluator,
    Workload,
    add_options,
    amounts_of,
    cpu_precision,
    open_workload,
    output_folder,
    positive,
    run,
)
from freeloc._typing import Uint8Array
from freeloc.images.decode import load_image
from freeloc.inference.early_exit import undecided
from freeloc.inference.fusion import localize
from freeloc.inference.localizer import Localizer
from freeloc.inference.presets import PRESETS, ScalePlan
from freeloc.inference.score_map import ScoreMap
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import print_status, track
from freeloc.runtime import InferencePrecision, int8_is_fastest

__all__ = ["chart_of", "main", "measure_frontier", "pareto_frontier", "render", "scale_costs", "subsets"]


def pareto_frontier(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Return the indices of the choices that no other choice dominates, by increasing cost.

    A choice dominates another if it costs no more, is worth no less, and is better in at least one of the
    two. Of choices with equal cost and value, the first is returned.
    """
    order = sorted(range(len(costs)), key=lambda index: (costs[index], -values[index], index))
    best: list[int] = []
    for index in order:
        if not best or values[index] > values[best[-1]]:
            best.append(index)
    return best


def subsets(count: int) -> list[tuple[int, ...]]:
    """Return all non-empty subsets of ``range(count)``, smaller ones first."""
    return [chosen for size in range(1, count + 1) for chosen in combinations(range(count), size)]


def measure_frontier(workloads: Sequence[Workload], amounts: Amounts, images: int | None) -> dict[str, Any]:
    """Measure accuracy and time of all sets of scales of all models.

    Args:
        workloads: trained models, with the same images.
        amounts: how much is timed.
        images: number of images on which accuracy is measured; None uses all.

    Returns:
        A part of a section of the results. Each of the "points" contains backbone (with ", int8" for the int8
        network), scales, preset, milliseconds per image, classification mAP, fused location mAP, the pointing
        game on all pairs, and whether it is on the frontier of location mAP.
    """
    variants: list[tuple[str, Workload, InferencePrecision | None]] = []
    for name, workload in zip(_names(workloads), workloads, strict=True):
        variants.append((name, workload, None))
        if workload.has_int8:
            variants.append((f"{name}, int8", workload, "int8"))
    # All timings come first, one right after the other.
    timed = [scale_costs(workload, amounts, precision) for _, workload, precision in variants]
    points: list[dict[str, Any]] = []
    for (name, workload, precision), (fixed, costs) in zip(variants, timed, strict=True):
        listed = ", ".join(f"{ms:.1f} ms at scale {scale:g}" for scale, ms in costs.items())
        print_status(f"{name}: {fixed:.1f} ms per image, plus {listed}")
        for plan, fractions, accuracy in _accuracies(workload, images, precision):
            ms = fixed + sum(costs[scale] * fraction for scale, fraction in fractions.items())
            points.append(
                {
                    "backbone": name,
                    "scales": list(plan.scales),
                    "early_exit_after": plan.early_exit_after,
                    "preset": _preset(plan, workload, precision),
                    "ms": float(f"{ms:.4g}"),
                    **accuracy,
                }
            )
    best = set(pareto_frontier([point["ms"] for point in points], [point["location"] for point in points]))
    for index, point in enumerate(points):
        point["on_frontier"] = index in best
    return {"images": len(workloads[0].first(images)), "points": points}


def scale_costs(
    workload: Workload, amounts: Amounts, precision: InferencePrecision | None = None
) -> tuple[float, dict[float, float]]:
    """Measure milliseconds per image with all cores busy.

    Args:
        workload: model and images.
        amounts: how much is timed.
        precision: precision of the network; default: the workload's.

    Returns:
        The time that every image takes regardless of its scales, and the time that each scale adds: resizing,
        the network, and its part of the fusion.
    """
    # Enough images for every core to process several.
    several = max(amounts.throughput, 2 * usable_cores()) if amounts.rounds > 2 else amounts.throughput
    paths = workload.paths(several)
    images = [load_image(path) for path in paths]
    localizer = workload.localizer(precision=precision)
    maps = list(localizer.score_maps_many(images))

    def decode_and_locate(index: int) -> None:
        load_image(paths[index])
        localizer.localize(maps[index])

    tasks: dict[str, Task] = {
        f"{scale:g}": _scoring(workload.localizer((scale,), precision), images) for scale in workload.scales
    }
    tasks["fixed"] = lambda: list(prefetch(decode_and_locate, range(len(paths)), threads=usable_cores()))
    timings = interleaved(tasks, rounds=amounts.rounds)
    unit = 1e3 / len(images)
    costs = {scale: timings.spread(f"{scale:g}").median * unit for scale in workload.scales}
    return timings.spread("fixed").median * unit, costs


def _scoring(localizer: Localizer, images: Sequence[Uint8Array]) -> Task:
    return lambda: list(localizer.score_maps_many(images))


def _names(workloads: Sequence[Workload]) -> list[str]:
    """Return the names of the backbones, numbered if several models have the same backbone."""
    backbones = [workload.backbone.name for workload in workloads]
    return [
        f"{backbone} ({backbones[: index + 1].count(backbone)})"
        if backbones.count(backbone) > 1
        else backbone
        for index, backbone in enumerate(backbones)
    ]


def _preset(plan: ScalePlan, workload: Workload, precision: InferencePrecision | None) -> str | None:
    """Return the name of the preset that uses this plan, if "auto" chooses this precision."""
    if (workload.has_int8 and int8_is_fastest()) != (precision == "int8"):
        return None
    plans = {name: preset or ScalePlan(workload.scales) for name, preset in PRESETS.items()}
    return next((name for name, own in plans.items() if own == plan), None)


def _accuracies(
    workload: Workload, images: int | None, precision: InferencePrecision | None
) -> list[tuple[ScalePlan, dict[float, float], dict[str, float]]]:
    """Measure the accuracy of all sets of scales, and of the presets with early exit.

    Returns:
        For each plan, the fraction of the images that it scores at each of its scales, and classification
        mAP, location mAP and pointing game.
    """
    dataset = workload.first(images)
    evaluator = Evaluator.of(dataset)
    plans = _plans(workload.scales)
    classes, pooling = workload.model.header.classes, workload.model.header.pooling
    points = np.empty((len(plans), len(dataset), len(classes), 2))
    scores = np.empty(points.shape[:3], np.float32)
    counts: list[Counter[float]] = [Counter() for _ in plans]
    score_maps = workload.localizer(precision=precision).score_maps_many(sample.path for sample in dataset)
    for index, maps in enumerate(track(score_maps, f"{workload.backbone.name} at all scales", len(dataset))):
        for number, plan in enumerate(plans):
            computed = _computed_maps(maps, plan, pooling)
            result = localize(computed, classes, pooling=pooling)
            points[number, index], scores[number, index] = result.points, result.scores
            counts[number].update(scale_map.grid.scale for scale_map in computed)
    return [
        (
            plan,
            {scale: count / len(dataset) for scale, count in of_plan.items()},
            {
                "classification": round(evaluator.classification(plan_scores), 3),
                "location": round(evaluator.location(plan_points, plan_scores), 3),
                "pointing": round(evaluator.pointing(plan_points), 3),
            },
        )
        for plan, of_plan, plan_points, plan_scores in zip(plans, counts, points, scores, strict=True)
    ]


def _plans(scales: tuple[float, ...]) -> list[ScalePlan]:
    fixed = [ScalePlan(tuple(scales[index] for index in chosen)) for chosen in subsets(len(scales))]
    early = [plan for plan in PRESETS.values() if plan is not None and plan.early_exit_after is not None]
    return [*fixed, *(plan for plan in early if set(plan.scales) <= set(scales))]


def _computed_maps(maps: Sequence[ScoreMap], plan: ScalePlan, pooling: str) -> list[ScoreMap]:
    """Return those of the maps at all scales that a plan would compute."""
    planned = _at(maps, plan.scales)
    if plan.early_exit_after is None:
        return planned
    first = _at(maps, plan.scales[: plan.early_exit_after])
    return planned if undecided(first, pooling) else first


def _at(maps: Sequence[ScoreMap], scales: tuple[float, ...]) -> list[ScoreMap]:
    return [scale_map for scale_map in maps if scale_map.grid.scale in scales]


# --- page
# ----------------------------------------------------------------------------------------------------


def render(section: Section, chart: str) -> Iterator[str]:
    """Yield the Markdown blocks of the section.

    Args:
        section: the results.
        chart: file of the chart.
    """
    yield "## Accuracy against time"
    yield (
        f"All sets of test scales and the presets with early exit, {len(section['points'])} choices in total, "
        f"were measured on {section['images']} images. The time of a set is the sum of the times of its scales, "
        "with all cores working on separate images, plus the time that every image takes regardless of its "
        "scales. The table lists the presets, and the choices that no other choice beats in both time and "
        "location mAP."
    )
    yield machine_table(section)
    yield f"![Location mAP against milliseconds per image]({chart})"
    listed = [point for point in section["points"] if point["on_frontier"] or point["preset"]]
    yield table(
        (
            "backbone",
            "scales",
            "preset",
            "ms / image",
            "location mAP",
            "classification mAP",
            "pointing game",
        ),
        [
            (
                point["backbone"],
                _plan_text(point),
                _preset_text(point),
                f"{point['ms']:.3g}",
                *(f"{point[key]:.1f}" for key in ("location", "classification", "pointing")),
            )
            for point in sorted(listed, key=lambda point: float(point["ms"]))
        ],
    )


def _plan_text(point: Mapping[str, Any]) -> str:
    """Return the scales of a choice, and those that are computed only for undecided images."""
    scales, first = point["scales"], point.get("early_exit_after")
    if first is None:
        return scale_list(scales)
    return f"{scale_list(scales[:first])}; if undecided {scale_list(scales[first:])}"


def _preset_text(point: Mapping[str, Any]) -> str:
    if not point["preset"]:
        return ""
    return f"`{point['preset']}`" if point["on_frontier"] else f"`{point['preset']}` (not on the frontier)"


def chart_of(section: Section) -> str:
    """Return the section's chart as SVG."""
    series = []
    for backbone in dict.fromkeys(point["backbone"] for point in section["points"]):
        points = [point for point in section["points"] if point["backbone"] == backbone]
        best = pareto_frontier([point["ms"] for point in points], [point["location"] for point in points])
        series.append(
            Series(
                backbone,
                [(point["ms"], point["location"]) for point in points],
                [(points[i]["ms"], points[i]["location"], _plan_text(points[i])) for i in best],
            )
        )
    return draw_chart(
        series,
        title="Sets of scales: accuracy against time",
        x_label="milliseconds per image, all cores busy",
        y_label="location mAP, fused",
    )


def main(words: list[str] | None = None) -> None:
    """Measure all sets of scales, write results, page and chart, and print the frontier as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frontier",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--model", type=Path, nargs="+", required=True, help="trained models", metavar="FILE")
    parser.add_argument("--images", type=positive, help="images to measure accuracy on (default: all)")
    arguments = parser.parse_args(words)
    amounts = amounts_of(arguments)
    workloads = [
        open_workload(
            arguments.data,
            model,
            split=arguments.split,
            scales=amounts.scales,
            precision=arguments.precision,
        )
        for model in arguments.model
    ]
    count = amounts.accuracy if arguments.quick and arguments.images is None else arguments.images
    section = {
        "quick": arguments.quick,
        "machine": describe(),
        "peaks": measure_peaks(repeats=amounts.peak_repeats, side=amounts.matrix_side),
        "workloads": [workload.to_dict() for workload in workloads],
        "precision": cpu_precision(arguments.precision),
        **measure_frontier(workloads, amounts, count),
    }
    save_section(output_folder(arguments), "frontier", section)
    best = sorted((p for p in section["points"] if p["on_frontier"]), key=lambda point: float(point["ms"]))
    print(json.dumps(best, indent=1))


if __name__ == "__main__":
    run(main)
