"""Coarse first, fine where needed: does it beat looking at every image at the same scales?

    python -m benchmarks.coarse_to_fine --model run/model.safetensors

Every image is looked at once at all test scales; the maps then tell what each way would have found. Four
ways stand beside all 63 fixed sets of scales, at thresholds that are given and not fitted:

* early stop: after a first set of scales an image goes on to more only where some class is undecided;
* one class: the same where a single class is wanted, and only images that may hold it go on;
* regions: the finest scales are computed only around places where the coarse ones see something;
* both: regions, and those only in images with an undecided class.

The cost is counted in pixels; nothing is timed, so that it does not matter what else the machine does. This study
is no part of ``make bench``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks.flops import FlopsOf
from benchmarks.noise import MEASURES, Line, Ruler
from benchmarks.pareto import frontier, subsets
from benchmarks.record import update_record
from benchmarks.settings import QUICK, add_common, out_folder, run
from benchmarks.subject import Subject, Truth, fresh_model, open_subject
from benchmarks.ways import CONTEXT, Found, Regions, Scales, Way, early_stop, find, single_stop
from freeloc._typing import Float32Array, Float64Array
from freeloc.errors import FreelocError
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.images.decode import read_image_size

__all__ = ["MARGINS", "REGIONS", "STOPS", "class_share", "main", "measure_coarse_to_fine"]

STOPS: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    ((1.0,), (1.0, 2.0)),
    ((1.0,), (0.7, 1.0, 1.4, 2.0)),
    ((0.7, 1.4), (0.7, 1.4, 2.0)),
    ((0.7, 1.4), (0.7, 1.4, 2.8)),
    ((0.7, 1.4), (0.7, 1.0, 1.4, 2.8)),
    ((0.7, 1.4), TEST_SCALES),
    ((0.7, 1.4, 2.0), TEST_SCALES),
)
"""Pairs of a first set of scales and the whole set that an image ends with where it goes on."""

MARGINS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""A class is undecided where its raw score is nearer to 0: at 2, where its probability is between 12% and 88%.
A single wanted class is possible where its score is above minus the margin."""

REGIONS = tuple(
    Regions(first, fine, threshold, near)
    for first, fine in (
        ((1.0,), (2.0,)),
        ((0.7, 1.4), (2.0,)),
        ((0.7, 1.4), (2.8,)),
        ((0.7, 1.0, 1.4), (2.8,)),
    )
    for near in (0.0, 0.8)
    for threshold in (0.1, 0.2, 0.3, 0.4)
)
"""Regions that are tried, all of them."""

_BOTH = (Regions((0.7, 1.4), (2.0,), 0.1, 0.8), Regions((0.7, 1.4), (2.8,), 0.1, 0.8))
"""Regions that are also tried behind an early stop."""

_RESAMPLES = 200

Row: TypeAlias = dict[str, Any]
ByWay: TypeAlias = Mapping[Way, Found]


def measure_coarse_to_fine(
    subject: Subject,
    images: int | None,
    learning: Subject,
    learnt_from: int,
    resamples: int = _RESAMPLES,
) -> dict[str, Any]:
    """All ways at all thresholds.

    Args:
        subject: a trained model whose maps are pooled by their maximum, and images.
        images: how many of these are measured on; None takes all.
        learning: the same model, with images that it was trained on.
        learnt_from: how many of those the shift of the scores is learnt from that makes images with few
            scales and with more comparable.
        resamples: number of draws behind the standard errors.

    Returns:
        A section of the record. Every row of "early_stop", "one_class", "regions" and "both" holds what was done,
        the share of pixels, `MEASURES`, and how far those lie above the line of the fixed sets, with standard
        errors; rows of "early_stop" also the same measures with shifted scores.
    """
    samples = subject.dataset.samples[:images]
    sets = [Scales(tuple(TEST_SCALES[index] for index in chosen)) for chosen in subsets(len(TEST_SCALES))]
    ways: list[Way] = [*sets, *REGIONS]
    by_way = dict(zip(ways, find(subject, samples, ways, "images"), strict=True))
    ruler = Ruler(Truth.of(samples), resamples)
    values = [ruler(by_way[way]) for way in sets]
    costs = [_percent(by_way[way]) for way in sets]
    told = _Teller(ruler, Line(costs, values))
    shifts = _shifts(learning, learnt_from)
    return {
        "images": len(samples),
        "learnt_from": min(learnt_from, len(learning.dataset)),
        "resamples": resamples,
        "context": CONTEXT,
        "fixed": _fixed(sets, costs, values),
        "early_stop": list(_early_stops(by_way, shifts, told)),
        "one_class": list(_single_stops(by_way, told)),
        "regions": [{**_described(way), **told(by_way[way])} for way in REGIONS],
        "both": list(_both(by_way, told)),
    }


class _Teller:
    """Makes the figures of a row from what was found."""

    def __init__(self, ruler: Ruler, line: Line) -> None:
        self._ruler = ruler
        self._line = line

    def __call__(self, found: Found) -> Row:
        values = self._ruler(found)
        cost = _percent(found)
        return {"pixels": round(cost, 2), **_rounded(values), "above": self._line.above(cost, values)}

    def accuracies(self, found: Found) -> Row:
        """Only the measures."""
        return _rounded(self._ruler(found))


def _percent(found: Found) -> float:
    return 100 * float(found.pixels.mean())


def _rounded(values: Float64Array) -> Row:
    return {name: round(float(own[0]), 2) for name, own in zip(MEASURES, values, strict=True)}


def _fixed(sets: Sequence[Scales], costs: Sequence[float], values: Sequence[Float64Array]) -> list[Row]:
    """A row for every fixed set, cheapest first; "best_in" names the measures whose frontier it is on."""
    best = [set(frontier(costs, [value[place, 0] for value in values])) for place in range(len(MEASURES))]
    order = sorted(range(len(sets)), key=lambda index: costs[index])
    return [
        {
            "scales": list(sets[index].scales),
            "pixels": round(costs[index], 2),
            **_rounded(values[index]),
            "best_in": [name for name, kept in zip(MEASURES, best, strict=True) if index in kept],
        }
        for index in order
    ]


def _shifts(learning: Subject, count: int) -> list[Float32Array]:
    """(K,) mean growth of the scores from the first set to the second, for every pair of `STOPS`."""
    ways = list(dict.fromkeys(Scales(scales) for pair in STOPS for scales in pair))
    found = find(learning, learning.dataset.samples[:count], ways, "images to learn a shift from")
    scores = {way.scales: one.scores for way, one in zip(ways, found, strict=True)}
    return [(scores[second] - scores[first]).mean(axis=0) for first, second in STOPS]


def _early_stops(by_way: ByWay, shifts: Sequence[Float32Array], told: _Teller) -> Iterator[Row]:
    for (first, second), shift in zip(STOPS, shifts, strict=True):
        pair = by_way[Scales(first)], by_way[Scales(second)]
        for margin in MARGINS:
            found, on = early_stop(*pair, margin)
            yield {
                **_stop(first, second, margin, on),
                **told(found),
                "shifted": told.accuracies(early_stop(*pair, margin, shift)[0]),
            }


def _single_stops(by_way: ByWay, told: _Teller) -> Iterator[Row]:
    for first, second in STOPS:
        for margin in MARGINS:
            found, on = single_stop(by_way[Scales(first)], by_way[Scales(second)], margin)
            yield {**_stop(first, second, margin, on), **told(found)}


def _stop(
    first: tuple[float, ...], second: tuple[float, ...], margin: float, on: npt.NDArray[np.bool_]
) -> Row:
    go_on = round(100 * float(on.mean()), 1)
    return {"first": list(first), "second": list(second), "margin": margin, "go_on": go_on}


def _both(by_way: ByWay, told: _Teller) -> Iterator[Row]:
    for way in _BOTH:
        for margin in MARGINS:
            found, on = early_stop(by_way[Scales(way.first)], by_way[way], margin)
            go_on = round(100 * float(on.mean()), 1)
            yield {**_described(way), "margin": margin, "go_on": go_on, **told(found)}


def _described(way: Regions) -> Row:
    return {
        "first": list(way.first),
        "fine": list(way.fine),
        "threshold": way.threshold,
        "near": way.near,
    }


def class_share(subject: Subject) -> float:
    """Percent of the operations at scale 1 that would go if a single class were wanted instead of all.

    Only the last convolution knows classes: everything before it is shared.
    """
    size = read_image_size(subject.paths(1)[0])
    canvas = Pyramid((1.0,)).grid(size, 1.0, subject.backbone.layout).canvas
    settings = subject.model.head.settings
    single = fresh_model(subject.backbone, subject.model.header.classes[:1], settings.hidden)
    whole, one = (
        FlopsOf(subject.backbone, model.head)(canvas.height, canvas.width).total
        for model in (subject.model, single)
    )
    return 100 * (whole - one) / whole


def _opened(arguments: argparse.Namespace, split: str) -> Subject:
    subject = open_subject(arguments.data, arguments.model, split=split, precision=arguments.precision)
    if subject.model.header.pooling != "max":
        raise FreelocError(
            f"{arguments.model} averages its maps: give a model whose recipe takes the maximum"
        )
    return subject


def main(words: list[str] | None = None) -> None:
    """Measure, write the section, and print it as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coarse_to_fine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.add_argument("--model", type=Path, required=True, help="a trained model", metavar="FILE")
    parser.add_argument("--images", type=int, help="measure on so many (default: all)")
    parser.add_argument("--train-split", default="train", help="where a shift of scores is learnt from")
    parser.add_argument("--learn-from", type=int, default=300, help="on so many (default: 300)")
    arguments = parser.parse_args(words)
    for name, count in (("images", arguments.images), ("learn-from", arguments.learn_from)):
        if count is not None and count < 1:
            raise FreelocError(f"--{name} {count} is none at all: give 1 or more")
    count = QUICK.accuracy if arguments.quick and arguments.images is None else arguments.images
    subject = _opened(arguments, arguments.split)
    section = {
        "quick": arguments.quick,
        "subject": subject.as_json(),
        "class_share": float(f"{class_share(subject):.2g}"),
        **measure_coarse_to_fine(
            subject,
            count,
            _opened(arguments, arguments.train_split),
            QUICK.accuracy if arguments.quick else arguments.learn_from,
        ),
    }
    update_record(out_folder(arguments), "coarse_to_fine", section)
    print(json.dumps(section, indent=1))


if __name__ == "__main__":
    run(main)
