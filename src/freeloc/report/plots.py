"""Plots of a study, drawn by matplotlib from plain numbers: bars by class, precision-recall curves, pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freeloc.atomic import write_bytes
from freeloc.errors import FreelocError
from freeloc.metrics import PrecisionRecallCurve
from freeloc.photographs import Uint8Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

__all__ = [
    "BLUE",
    "GREEN",
    "MAGENTA",
    "RED",
    "Bars",
    "Example",
    "draw_bars",
    "draw_curves",
    "draw_examples",
    "save_plot",
]

BLUE, RED, GREEN, MAGENTA = "#2f6fde", "#d1495b", "#2e9e6b", "#b04fc0"
"""The colours of the paper's Figure 5: weakly supervised, full images, location, masked pooling."""


@dataclass(frozen=True, slots=True)
class Bars:
    """One value per class.

    Attributes:
        label: what they are.
        values: K shares of 1; NaN leaves a gap.
        colour: of the bars.
    """

    label: str
    values: Sequence[float]
    colour: str


@dataclass(frozen=True, eq=False)
class Example:
    """A photograph and the most confident location of one class.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        name: the class.
        score: how sure the model is.
        x: where it points, in photograph pixels.
        y: likewise.
        correct: whether that is on an object of the class.
    """

    image: Uint8Array
    name: str
    score: float
    x: float
    y: float
    correct: bool


def _plots() -> Any:
    """Matplotlib's figure class, without a window system and without its global state.

    Raises:
        FreelocError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise FreelocError(
            f"figures are drawn by matplotlib, which cannot be loaded ({error}): pip install 'freeloc[reproduce]'"
        ) from error
    mpl.rcParams["svg.hashsalt"] = "freeloc"  # the same drawing gives the same bytes
    return Figure


def draw_bars(classes: Sequence[str], first: Bars, second: Bars, title: str) -> Plot:
    """Two values per class side by side, the largest difference first (paper, Figure 5).

    Args:
        classes: K names.
        first: drawn on the left; what it has more than ``second`` sorts the classes.
        second: drawn on the right.
        title: above the plot.
    """
    gaps = np.nan_to_num(np.subtract(first.values, second.values), nan=-np.inf)
    order = np.argsort(-gaps, kind="stable")
    width = max(6.0, 0.32 * len(classes) + 1.5)
    plot = _plots()(figsize=(width, 3.6), layout="constrained")
    axes = plot.subplots()
    places = np.arange(len(classes))
    for shift, bars in ((-0.2, first), (0.2, second)):
        heights = 100 * np.asarray(bars.values, dtype=float)[order]
        axes.bar(places + shift, np.nan_to_num(heights), 0.4, color=bars.colour, label=bars.label)
    axes.set_xticks(places, [classes[index] for index in order], rotation=60, ha="right", fontsize=8)
    axes.set_ylim(0, 100)
    axes.set_xlim(-0.6, len(classes) - 0.4)
    axes.set_ylabel("AP, %")
    axes.set_title(title, fontsize=10, loc="left")
    axes.legend(loc="upper right", fontsize=8, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    return plot  # type: ignore[no-any-return]


def draw_curves(
    curves: Mapping[str, Mapping[str, PrecisionRecallCurve]], colours: Mapping[str, str], title: str
) -> Plot:
    """Precision over recall, a small plot per class.

    Args:
        curves: for each class, a curve for each label.
        colours: of each label.
        title: above all.
    """
    columns = min(10, max(1, math.ceil(math.sqrt(len(curves)))))
    rows = math.ceil(len(curves) / columns)
    plot = _plots()(figsize=(1.7 * columns, 1.6 * rows + 0.6), layout="constrained")
    grid = plot.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(curves) :]:
        axes.set_visible(False)
    for axes, (name, drawn) in zip(grid.flat, curves.items(), strict=False):
        for label, curve in drawn.items():
            axes.plot(curve.recall, curve.precision, color=colours[label], linewidth=1.2, label=label)
        axes.set_title(name, fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.03)
        axes.tick_params(labelsize=6)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    plot.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    plot.suptitle(title, fontsize=10)
    return plot  # type: ignore[no-any-return]


def draw_examples(examples: Sequence[Example], title: str, columns: int = 5) -> Plot:
    """Photographs with a yellow cross at the surest location (paper, Figure 6); wrong ones have a red frame."""
    rows = max(1, math.ceil(len(examples) / columns))
    plot = _plots()(figsize=(2.1 * columns, 2.0 * rows + 0.4), layout="constrained")
    grid = plot.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, example in zip(grid.flat, examples, strict=False):
        height, width = example.image.shape[:2]
        axes.set_axis_on()
        axes.set_xticks([])
        axes.set_yticks([])
        # The first pixel's centre lies at 0.5, as everywhere in freeloc.
        axes.imshow(example.image, extent=(0, width, height, 0))
        for colour, thick in (("black", 4.5), ("yellow", 2.2)):
            axes.plot(example.x, example.y, "+", color=colour, markersize=15, markeredgewidth=thick)
        for spine in axes.spines.values():
            spine.set(color=GREEN if example.correct else RED, linewidth=3)
        axes.set_title(f"{example.name} {example.score:.1f}", fontsize=8)
    plot.suptitle(title, fontsize=10)
    return plot  # type: ignore[no-any-return]


def save_plot(plot: Plot, folder: Path, name: str) -> bytes:
    """Write a plot as PNG and SVG, the same bytes for the same plot.

    Returns:
        The PNG file's bytes.
    """
    files = {}
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        page = io.BytesIO()
        plot.savefig(page, format=kind, dpi=110, metadata=metadata)
        files[kind] = page.getvalue()
        write_bytes(folder / f"{name}.{kind}", files[kind])
    return files["png"]
