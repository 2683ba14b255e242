"""The part of the page that tells which layers the time goes into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.markdown import QUICK, number, table

__all__ = ["DEPTHWISE", "KINDS", "NEIGHBOURS", "OTHERS", "POINTWISE", "layers_blocks"]

POINTWISE, DEPTHWISE, NEIGHBOURS, OTHERS = (
    "1×1 convolutions",
    "depthwise convolutions",
    "other convolutions",
    "the rest",
)
KINDS = (POINTWISE, DEPTHWISE, NEIGHBOURS, OTHERS)
"""Kinds of layers, those with the most operations first."""


def layers_blocks(section: Mapping[str, Any]) -> Iterator[str]:
    """Paragraphs and tables of the section."""
    yield "## Which layers take the time"
    if section["quick"]:
        yield QUICK
    yield (
        f"Scale {section['scale']:g}, {section['images']} images one after the other, all cores on one "
        "canvas, by the runtime's own clock; *rate* is what that is in GFLOP/s, beside the share of the matrix "
        "peak measured in the same run, where there is one of that precision."
    )
    for precision, kinds in section["networks"].items():
        whole = sum(kind["ms"] for kind in kinds.values())
        peak = _peak(section["ceiling"], precision)
        yield f"In {precision}, {number(whole)} ms in all:"
        yield table(
            ("layers", "ms", "share of the time", "GFLOP", "rate"),
            [
                (
                    name,
                    number(kind["ms"]),
                    f"{100 * kind['ms'] / whole:.0f}%",
                    f"{kind['gflop']:.2f}",
                    _rate(kind, peak),
                )
                for name, kind in kinds.items()
            ],
        )


def _rate(kind: Mapping[str, float], peak: float | None) -> str:
    if not kind["gflop"] or not kind["ms"]:
        return ""
    rate = 1e3 * kind["gflop"] / kind["ms"]
    return number(rate) if peak is None else f"{number(rate)} ({100 * rate / peak:.0f}%)"


def _peak(ceiling: Mapping[str, Any], precision: str) -> float | None:
    found = [own[precision] for own in ceiling["gflops"].values() if precision in own]
    return max(found) if found else None
