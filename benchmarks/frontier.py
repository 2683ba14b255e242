"""Accuracy against time over sets of scales: what the presets of prediction are chosen from.

    python -m benchmarks.frontier --data VOCdevkit/VOC2012 --model run/model.safetensors other/model.safetensors

Every image is looked at once at the six test scales; the maps then serve all 63 sets of scales. A set
costs the measured milliseconds of its scales, with all cores busy on images of their own, and what every
image costs however it is looked at: decoding and the point.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chart import Series, draw_chart
from benchmarks.machine import describe, measure_ceiling, usable_cores
from benchmarks.markdown import plan_text
from benchmarks.pareto import frontier, subsets
from benchmarks.record import update_record
from benchmarks.settings import Settings, add_common, out_folder, run, settings_of
from benchmarks.subject import Subject, Truth, open_subject
from benchmarks.timing import Task, interleaved
from freeloc._typing import Uint8Array
from freeloc.errors import FreelocError
from freeloc.images.decode import load_image
from freeloc.inference.early_exit import undecided
from freeloc.inference.fusion import localize
from freeloc.inference.localizer import Localizer
from freeloc.inference.presets import INT8_PRESETS, PRESETS, ScalePlan
from freeloc.inference.score_map import ScoreMap
from freeloc.io.atomic import write_text
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import print_status, track
from freeloc.runtime import InferencePrecision

__all__ = ["main", "measure_frontier", "scale_costs"]

_SVG = "frontier.svg"


def measure_frontier(subjects: Sequence[Subject], settings: Settings, images: int | None) -> dict[str, Any]:
    """All sets of scales of all models, and which of them are on the frontier.

    Args:
        subjects: trained models, on the same data.
        settings: how much is timed.
        images: how many of the data's images accuracy is measured on; None takes all.

    Returns:
        A section of the record; "points" has for every set its backbone (and "int8" beside it for the model's int8
        network), scales, preset, milliseconds an image, classification and fused location mAP, the pointing
        game on all pairs, and whether it is on the frontier of location mAP.
    """
    points: list[dict[str, Any]] = []
    ways: list[tuple[str, Subject, InferencePrecision | None]] = []
    for name, subject in zip(_names(subjects), subjects, strict=True):
        ways.append((name, subject, None))
        if subject.has_int8:
            ways.append((f"{name}, int8", subject, "int8"))
    # All timings first, side by side.
    timed = [scale_costs(subject, settings, precision) for _name, subject, precision in ways]
    for (name, subject, precision), (fixed, costs) in zip(ways, timed, strict=True):
        print_status(f"{name}: {fixed:.1f} ms an image, and {_listed(costs)}")
        for plan, shares, measured in _accuracies(subject, images, precision):
            ms = fixed + sum(costs[scale] * share for scale, share in shares.items())
            points.append(
                {
                    "backbone": name,
                    "scales": list(plan.scales),
                    "glance": plan.early_exit_after,
                    "preset": _preset(plan, subject, precision),
                    "ms": float(f"{ms:.4g}"),
                    **measured,
                }
            )
    best = set(frontier([point["ms"] for point in points], [point["location"] for point in points]))
    for index, point in enumerate(points):
        point["on_frontier"] = index in best
    looked_at = len(subjects[0].dataset) if images is None else images
    return {"images": min(looked_at, len(subjects[0].dataset)), "points": points}


def scale_costs(
    subject: Subject, settings: Settings, precision: InferencePrecision | None = None
) -> tuple[float, dict[float, float]]:
    """Milliseconds an image, all cores busy.

    Args:
        subject: the model and images.
        settings: how much is timed.
        precision: of the network; default the subject's.

    Returns:
        What every image costs, and what each scale adds: resizing, network, and its part of the fusion.
    """
    # Enough for every core to work on several.
    paths = subject.paths(
        max(settings.throughput, 2 * usable_cores()) if settings.rounds > 2 else settings.throughput
    )
    images = [load_image(path) for path in paths]
    whole = subject.localizer(precision=precision)
    maps = list(whole.score_maps_many(images))

    def each(number: int) -> None:
        load_image(paths[number])
        whole.localize(maps[number])

    tasks: dict[str, Task] = {
        f"{scale:g}": _looking(subject.localizer((scale,), precision), images) for scale in subject.scales
    }
    tasks["each"] = lambda: list(prefetch(each, range(len(paths)), threads=usable_cores()))
    timings = interleaved(tasks, rounds=settings.rounds)
    unit = 1e3 / len(images)
    costs = {scale: timings.spread(f"{scale:g}").median * unit for scale in subject.scales}
    return timings.spread("each").median * unit, costs


def chart_of(section: dict[str, Any]) -> str:
    """The section's picture as SVG."""
    series = []
    for backbone in dict.fromkeys(point["backbone"] for point in section["points"]):
        own = [point for point in section["points"] if point["backbone"] == backbone]
        best = [own[index] for index in frontier([p["ms"] for p in own], [p["location"] for p in own])]
        series.append(
            Series(
                backbone,
                [(point["ms"], point["location"]) for point in own],
                [(p["ms"], p["location"], plan_text(p)) for p in best],
            )
        )
    return draw_chart(
        series,
        title="Sets of scales: accuracy against time",
        x_label="milliseconds an image, all cores busy",
        y_label="location mAP, fused",
    )


def _names(subjects: Sequence[Subject]) -> list[str]:
    """Names of the backbones, numbered where several models have the same one."""
    backbones = [subject.backbone.name for subject in subjects]
    return [
        f"{backbone} ({backbones[: number + 1].count(backbone)})"
        if backbones.count(backbone) > 1
        else backbone
        for number, backbone in enumerate(backbones)
    ]


def _preset(plan: ScalePlan, subject: Subject, precision: InferencePrecision | None) -> str | None:
    """The name under which freeloc offers a plan for this model in this precision."""
    for name, offered in PRESETS.items():
        int8 = subject.has_int8 and name in INT8_PRESETS
        if (offered or ScalePlan(subject.scales)) == plan and int8 == (precision == "int8"):
            return name
    return None


def _looking(localizer: Localizer, images: Sequence[Uint8Array]) -> Task:
    return lambda: list(localizer.score_maps_many(images))


def _accuracies(
    subject: Subject, images: int | None, precision: InferencePrecision | None
) -> list[tuple[ScalePlan, dict[float, float], dict[str, float]]]:
    """From one look at each image: all sets of scales and the presets that look again where in doubt.

    Returns:
        For every plan the share of the images that it looks at at each of its scales, and classification,
        location and pointing.
    """
    samples = subject.dataset.samples[:images]
    truth = Truth.of(samples)
    plans = _plans(subject.scales)
    points = np.empty((len(plans), len(samples), len(subject.model.header.classes), 2))
    scores = np.empty(points.shape[:3], np.float32)
    seen: list[Counter[float]] = [Counter() for _plan in plans]
    looked = subject.localizer(precision=precision).score_maps_many(sample.path for sample in samples)
    for number, maps in enumerate(track(looked, f"{subject.backbone.name} at all scales", len(samples))):
        for place, plan in enumerate(plans):
            part = _as_planned(maps, plan, subject.model.header.pooling)
            result = localize(part, subject.model.header.classes, pooling=subject.model.header.pooling)
            points[place, number], scores[place, number] = result.points, result.scores
            seen[place].update(scale_map.grid.scale for scale_map in part)
    return [
        (
            plan,
            {scale: count / len(samples) for scale, count in counts.items()},
            {
                "classification": round(truth.classification(ranked), 3),
                "location": round(truth.location(pointed, ranked), 3),
                "pointing": round(truth.pointing(pointed), 3),
            },
        )
        for plan, counts, pointed, ranked in zip(plans, seen, points, scores, strict=True)
    ]


def _plans(scales: tuple[float, ...]) -> list[ScalePlan]:
    fixed = [ScalePlan(tuple(scales[index] for index in chosen)) for chosen in subsets(len(scales))]
    offered = [plan for plan in PRESETS.values() if plan is not None and plan.early_exit_after is not None]
    return [*fixed, *(plan for plan in offered if set(plan.scales) <= set(scales))]


def _as_planned(maps: Sequence[ScoreMap], plan: ScalePlan, pooling: str) -> list[ScoreMap]:
    """What of the maps at all scales a plan would have looked at."""
    part = _at(maps, plan.scales)
    if plan.early_exit_after is None:
        return part
    first = _at(maps, plan.scales[: plan.early_exit_after])
    return part if undecided(first, pooling) else first


def _at(maps: Sequence[ScoreMap], scales: tuple[float, ...]) -> list[ScoreMap]:
    return [scale_map for scale_map in maps if scale_map.grid.scale in scales]


def _listed(costs: dict[float, float]) -> str:
    return ", ".join(f"{ms:.1f} ms at scale {scale:g}" for scale, ms in costs.items())


def main(words: list[str] | None = None) -> None:
    """Measure, write the section and the picture, and print the frontier as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frontier",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.add_argument("--model", type=Path, nargs="+", required=True, help="trained models", metavar="FILE")
    parser.add_argument("--images", type=int, help="measure accuracy on so many (default: all)")
    arguments = parser.parse_args(words)
    if arguments.images is not None and arguments.images < 1:
        raise FreelocError(f"--images {arguments.images} is none at all: give 1 or more")
    settings = settings_of(arguments)
    subjects = [
        open_subject(
            arguments.data,
            model,
            split=arguments.split,
            scales=settings.scales,
            precision=arguments.precision,
        )
        for model in arguments.model
    ]
    count = settings.accuracy if arguments.quick and arguments.images is None else arguments.images
    section = {
        "quick": arguments.quick,
        "machine": describe(),
        "ceiling": measure_ceiling(repeats=settings.ceiling, side=settings.matrix_side),
        "subject": [subject.as_json() for subject in subjects],
        **measure_frontier(subjects, settings, count),
    }
    folder = out_folder(arguments)
    write_text(folder / _SVG, chart_of(section))
    update_record(folder, "frontier", section)
    best = sorted((p for p in section["points"] if p["on_frontier"]), key=lambda point: point["ms"])
    print(json.dumps(best, indent=1))


if __name__ == "__main__":
    run(main)
