"""Update the model card docs/voc20.md: the tables between its two markers, and the reliability diagram."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freeloc.evaluation.evaluate import Evaluation
from freeloc.evaluation.measures import MEASURES
from freeloc.io.atomic import write_bytes, write_text
from freeloc.visualization.plots import figure_bytes
from freeloc.visualization.reliability_diagram import ReliabilityCurve, reliability_diagram
from recipes.markdown import markdown_table

__all__ = ["write_card"]

_BEGIN, _END = "<!-- numbers: written by make voc20 -->", "<!-- end of numbers -->"


def write_card(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write the numbers of an evaluation into the card, and draw its reliability diagram.

    Args:
        evaluation: evaluation of one model.
        folder: the folder that contains ``voc20.md``.

    Returns:
        The paths of the card and of the diagram.
    """
    card, diagram = folder / "voc20.md", folder / "voc20-reliability.svg"
    numbers = evaluation.to_dict()
    generated = "\n\n".join((_BEGIN, _summary(numbers), _calibration(numbers), _classes(numbers), _END))
    text = card.read_text(encoding="utf-8")
    write_text(card, re.sub(f"{_BEGIN}.*{_END}", lambda _: generated, text, flags=re.DOTALL))
    curves = [ReliabilityCurve("calibrated", evaluation.calibration_reports[0].bins, "#2b6cb0")]
    write_bytes(diagram, figure_bytes(reliability_diagram(curves), "svg"))
    return card, diagram


def _summary(numbers: Mapping[str, Any]) -> str:
    titles = [f"{numbers['images']:,} images", *MEASURES.values()]
    rows = [[row["name"], *(_interval(row[key]["mean"]) for key in MEASURES)] for row in numbers["rows"]]
    return markdown_table(titles, rows)


def _calibration(numbers: Mapping[str, Any]) -> str:
    (report,) = numbers["calibration"]
    text = (
        f"Expected calibration error, with the pairs of all classes pooled: {_interval(report['error'], 2)}. "
        "Mean of the calibration errors of the individual classes: "
        f"{_interval(report['error_per_class']['mean'], 2)}. Brier score: {_interval(report['brier'], 2)}. "
        "All values are in percent. Resampling increases calibration errors, so their intervals are shifted "
        "upward."
    )
    return textwrap.fill(text, 110)


def _classes(numbers: Mapping[str, Any]) -> str:
    fused, paper, center = numbers["rows"]
    titles = [
        "class",
        "images",
        "classification AP",
        "location AP, fused",
        "location AP, paper",
        "location AP, center",
        "difference",
    ]

    def difference(name: str) -> float:
        classification, location = (fused[key]["classes"][name] for key in ("classification", "location"))
        return float(classification["value"] - location["value"])

    rows = [
        [
            name,
            str(numbers["positives"][name]),
            *(_interval(fused[key]["classes"][name]) for key in ("classification", "location")),
            *(f"{row['location']['classes'][name]['value']:.1f}" for row in (paper, center)),
            f"{difference(name):+.1f}",
        ]
        for name in sorted(numbers["positives"], key=difference, reverse=True)
    ]
    return markdown_table(titles, rows)


def _interval(value: Mapping[str, float], digits: int = 1) -> str:
    return f"{value['value']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
