"""How figures are made: matplotlib without a screen, one style, one palette, files of the same bytes each time.

matplotlib belongs to the extra ``reproduce`` and is only imported inside functions. Figures never go through
``pyplot``: nothing outlives the function that draws.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from freeloc.errors import FreelocError
from freeloc.io import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "CYAN",
    "GREEN",
    "INK",
    "MAGENTA",
    "PAPER_PAIRS",
    "QUIET",
    "RED",
    "YELLOW",
    "FigureFormat",
    "figure_bytes",
    "grid_axes",
    "halo",
    "new_figure",
    "outline",
    "save_figure",
    "styled",
]

FigureFormat = Literal["png", "svg"]

BLUE: Final = "#0a6ab3"
RED: Final = "#dd5500"
GREEN: Final = "#1f9e6e"
MAGENTA: Final = "#a8327c"
"""The four colours of the paper's Figure 5, in shades that people who confuse red and green tell apart."""

YELLOW: Final = "#ffe119"
CYAN: Final = "#35d0f5"
INK: Final = "#1c1c22"
QUIET: Final = "#6b6b76"

PAPER_PAIRS: Final = {
    "supervision": (BLUE, RED),
    "location": (BLUE, GREEN),
    "masked": (GREEN, MAGENTA),
}
"""Colours of the three comparisons of Figure 5: weakly supervised against full-image classification;
classification against location; location against masked pooling."""

_DPI: Final = 160
_STYLE: Final[dict[str, Any]] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "text.parse_math": False,  # a class called $x$ keeps its name
    "svg.fonttype": "path",  # no font is asked for where the file is read
    "svg.hashsalt": "freeloc",  # names of parts inside the file are random otherwise
    "savefig.dpi": _DPI,
}


@contextmanager
def styled() -> Iterator[None]:
    """The style of all figures, whatever the user's own matplotlib settings are.

    Raises:
        FreelocError: matplotlib is not installed.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise FreelocError("figures need matplotlib: run pip install 'freeloc[reproduce]'") from error
    with style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """An empty figure.

    Args:
        width: in inches.
        height: in inches.
        title: at the top left, in smaller letters where it is long; none where it is empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=None)
    FigureCanvasAgg(figure)
    if title:
        size = min(11.0, max(5.0, (width - 0.2) * 72 / (0.68 * len(title))))
        figure.text(0.1 / width, 1 - 0.09 / height, title, fontsize=size, weight="bold", va="top", ha="left")
    return figure


def grid_axes(
    figure: Figure,
    heights: Sequence[float],
    widths: Sequence[float],
    *,
    left: float,
    top: float,
    gap_x: float,
    gap_y: float,
) -> list[list[Axes]]:
    """Axes in rows and columns.

    Args:
        figure: where they go.
        heights: of each row, in inches.
        widths: of each column, in inches.
        left: inches to the left of the first column.
        top: inches above the first row.
        gap_x: inches between columns.
        gap_y: inches between rows.

    Returns:
        One list of axes per row.
    """
    full_width, full_height = figure.get_size_inches()
    rows: list[list[Axes]] = []
    down = top
    for height in heights:
        across, row = left, []
        for width in widths:
            place = (
                across / full_width,
                1 - (down + height) / full_height,
                width / full_width,
                height / full_height,
            )
            row.append(figure.add_axes(place))
            across += width + gap_x
        rows.append(row)
        down += height + gap_y
    return rows


def outline(width: float) -> list[Any]:
    """Path effects that part a bright line of ``width`` points from any ground by a dark rim."""
    from matplotlib import patheffects

    return [patheffects.Stroke(linewidth=width + 1.8, foreground="#0a0a0c"), patheffects.Normal()]


def halo() -> list[Any]:
    """Path effects that part a letter from the lines under it."""
    from matplotlib import patheffects

    return [patheffects.Stroke(linewidth=2, foreground="white"), patheffects.Normal()]


def figure_bytes(figure: Figure, kind: FigureFormat) -> bytes:
    """A figure as the bytes of a file: the same figure gives the same bytes."""
    # What would name the day or the program is left out.
    metadata: dict[str, None] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    page = io.BytesIO()
    with styled():
        figure.savefig(page, format=kind, metadata=metadata, facecolor="white")
    return page.getvalue()


def save_figure(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write a figure as PNG and as SVG, each as a whole or not at all.

    Args:
        figure: what is written.
        path: place and name, without an ending.

    Returns:
        The places of the PNG and of the SVG file.

    Raises:
        FreelocError: the place is not writable.
    """
    png, svg = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")
    atomic.write_bytes(png, figure_bytes(figure, "png"))
    atomic.write_bytes(svg, figure_bytes(figure, "svg"))
    return png, svg
