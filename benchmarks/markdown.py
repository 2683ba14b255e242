"""Pieces of Markdown that all parts of the page share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["QUICK", "figure", "number", "plan_text", "scale_list", "table", "times"]

QUICK = "> **A quick run**, to see that it works: these figures mean nothing."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a line of titles."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def scale_list(scales: Sequence[float]) -> str:
    """Scales, with commas between them."""
    return ", ".join(f"{scale:g}" for scale in scales)


def plan_text(point: Mapping[str, Any]) -> str:
    """The scales of a way, and which of them only images in doubt are looked at."""
    scales, glance = point["scales"], point.get("glance")
    if glance is None:
        return scale_list(scales)
    return f"{scale_list(scales[:glance])}; in doubt {scale_list(scales[glance:])}"


def figure(found: Mapping[str, float]) -> str:
    """A median with its quartiles."""
    return f"{number(found['median'])} [{number(found['low'])}, {number(found['high'])}]"


def times(found: Mapping[str, float]) -> str:
    """The median of a ratio with its quartiles."""
    return f"{number(found['median'])}× [{number(found['low'])}, {number(found['high'])}]"


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
