"""The numbers of the model card, docs/voc20.md: tables between two marks, and a reliability diagram."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from freeloc.evaluation.evaluate import Evaluation
from freeloc.evaluation.measures import MEASURES
from freeloc.io.atomic import write_bytes, write_text
from freeloc.visualization.plots import figure_bytes
from freeloc.visualization.reliability_diagram import ReliabilityCurve, reliability_diagram

__all__ = ["write_card"]

_BEGIN, _END = "<!-- numbers: written by make voc20 -->", "<!-- end of numbers -->"


def write_card(found: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Put the numbers of an evaluation into the card, and draw its reliability diagram.

    Args:
        found: of one model.
        folder: where ``voc20.md`` lies.

    Returns:
        The places of the page and of the diagram.
    """
    page, diagram = folder / "voc20.md", folder / "voc20-reliability.svg"
    numbers = found.as_json()
    parts = [_summary(numbers), _calibration(numbers), _classes(numbers)]
    between = "\n\n".join((_BEGIN, *parts, _END))
    text = page.read_text(encoding="utf-8")
    write_text(page, re.sub(f"{_BEGIN}.*{_END}", lambda _: between, text, flags=re.DOTALL))
    sets = [ReliabilityCurve("calibrated", found.calibration_reports[0].bins, "#2b6cb0")]
    write_bytes(diagram, figure_bytes(reliability_diagram(sets), "svg"))
    return page, diagram


def _summary(numbers: Mapping[str, Any]) -> str:
    head = [f"{numbers['images']:,} images", *MEASURES.values()]
    rows = [[row["name"], *(_interval(row[key]["mean"]) for key in MEASURES)] for row in numbers["rows"]]
    return table(head, rows)


def _calibration(numbers: Mapping[str, Any]) -> str:
    (truth,) = numbers["calibration"]
    return (
        f"Expected calibration error of all pairs of image and class: {_interval(truth['error'], 2)}; "
        f"mean of the classes' own: {_interval(truth['error_per_class']['mean'], 2)}; "
        f"Brier score: {_interval(truth['brier'], 2)} (all in percent; resamples raise a calibration error, so "
        "its interval leans upwards)."
    )


def _classes(numbers: Mapping[str, Any]) -> str:
    fused, paper, centre = numbers["rows"]
    head = [
        "class",
        "images",
        "classification",
        "location, fused",
        "the paper's way",
        "centre",
        "told − found",
    ]
    order = sorted(
        numbers["positives"],
        key=lambda name: (
            fused["classification"]["classes"][name]["value"] - fused["location"]["classes"][name]["value"]
        ),
        reverse=True,
    )
    rows = []
    for name in order:
        told, where = (fused[key]["classes"][name] for key in ("classification", "location"))
        others = (row["location"]["classes"][name]["value"] for row in (paper, centre))
        gap = f"{told['value'] - where['value']:+.1f}"
        count = str(numbers["positives"][name])
        rows.append([name, count, _interval(told), _interval(where), *(f"{one:.1f}" for one in others), gap])
    return table(head, rows)


def _interval(found: Mapping[str, float], digits: int = 1) -> str:
    return f"{found['value']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
