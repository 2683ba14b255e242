"""Style and colors of all matplotlib figures, and functions that write figures to files.

matplotlib is an optional dependency (extra ``reproduce``) and is imported only inside functions. Figures are
created without ``pyplot``, so no global state is changed. Equal figures yield identical files.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from freeloc._printable import printable_lines
from freeloc.errors import MissingDependencyError
from freeloc.io import atomic
from freeloc.io.library_warnings import silence_warnings
from freeloc.io.limits import check_resources

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "CYAN",
    "DARK",
    "GRAY",
    "GREEN",
    "MAGENTA",
    "PAPER_PAIRS",
    "RED",
    "YELLOW",
    "FigureFormat",
    "figure_bytes",
    "figure_style",
    "grid_axes",
    "halo",
    "new_figure",
    "outline",
    "save_figure",
]

FigureFormat = Literal["png", "svg"]

BLUE: Final = "#0a6ab3"
RED: Final = "#dd5500"
GREEN: Final = "#1f9e6e"
MAGENTA: Final = "#a8327c"
"""The four colors of the paper's Figure 5, in shades that color-blind readers can distinguish."""

YELLOW: Final = "#ffe119"
CYAN: Final = "#35d0f5"
DARK: Final = "#1c1c22"
GRAY: Final = "#6b6b76"

PAPER_PAIRS: Final = {
    "supervision": (BLUE, RED),
    "location": (BLUE, GREEN),
    "masked": (GREEN, MAGENTA),
}
"""Colors of the three comparisons in the paper's Figure 5: weakly supervised and full-image classification;
classification and location; location and location with masked pooling."""

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
    "axes.edgecolor": GRAY,
    "axes.linewidth": 0.6,
    "xtick.color": GRAY,
    "xtick.labelcolor": DARK,
    "ytick.color": GRAY,
    "ytick.labelcolor": DARK,
    "text.color": DARK,
    "axes.labelcolor": DARK,
    "axes.axisbelow": True,
    "text.parse_math": False,  # a class may be called $x$
    "svg.fonttype": "path",  # viewers need no font
    "svg.hashsalt": "freeloc",  # otherwise, IDs in the file are random
    "savefig.dpi": _DPI,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the common style of all figures, independently of the user's matplotlib settings.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        check_resources(error)
        raise MissingDependencyError(
            "figures require matplotlib: run pip install 'freeloc[reproduce]'", extra="reproduce"
        ) from error
    with style.context(["default", _STYLE]):
        yield


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """Return an empty figure.

    Args:
        width: width in inches.
        height: height in inches.
        title: text at the top left; longer titles have a smaller font size.
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
    """Add axes in rows and columns to a figure.

    Args:
        figure: the figure.
        heights: height of each row, in inches.
        widths: width of each column, in inches.
        left: space to the left of the first column, in inches.
        top: space above the first row, in inches.
        gap_x: space between columns, in inches.
        gap_y: space between rows, in inches.

    Returns:
        One list of axes per row.
    """
    full_width, full_height = figure.get_size_inches()
    rows: list[list[Axes]] = []
    y = top
    for height in heights:
        x, row = left, []
        for width in widths:
            rectangle = (
                x / full_width,
                1 - (y + height) / full_height,
                width / full_width,
                height / full_height,
            )
            row.append(figure.add_axes(rectangle))
            x += width + gap_x
        rows.append(row)
        y += height + gap_y
    return rows


def outline(width: float) -> list[Any]:
    """Return path effects that outline a bright line of ``width`` points, for contrast on any background."""
    from matplotlib import patheffects

    return [patheffects.Stroke(linewidth=width + 1.8, foreground="#0a0a0c"), patheffects.Normal()]


def halo() -> list[Any]:
    """Return path effects that draw a halo around text, to separate it from lines behind it."""
    from matplotlib import patheffects

    return [patheffects.Stroke(linewidth=2, foreground="white"), patheffects.Normal()]


@silence_warnings()
def figure_bytes(figure: Figure, format_: FigureFormat) -> bytes:
    """Return a figure as the bytes of a PNG or SVG file; equal figures yield equal bytes."""
    # Omit the date and the matplotlib version, so that the bytes depend on the figure alone.
    metadata: dict[str, None] = {"Date": None, "Creator": None} if format_ == "svg" else {"Software": None}
    buffer = io.BytesIO()
    with figure_style():
        _make_printable(figure)
        figure.savefig(buffer, format=format_, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def _make_printable(figure: Figure) -> None:
    """Escape control characters in all text of a figure; an SVG that contains them is not valid XML."""
    from matplotlib.text import Text

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            escaped = [printable_lines(label) for label in labels]
            if escaped != labels:  # drawing the figure would reset the text of the labels
                axis.set_ticks(axis.get_ticklocs(), escaped)
    for text in figure.findobj(Text):
        text.set_text(printable_lines(text.get_text()))


def save_figure(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write a figure as a PNG file and an SVG file, each atomically.

    Args:
        figure: the figure.
        path: path of the files, without suffix.

    Returns:
        The paths of the PNG and the SVG file.

    Raises:
        OutputError: a file cannot be written.
    """
    png, svg = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")
    atomic.write_bytes(png, figure_bytes(figure, "png"))
    atomic.write_bytes(svg, figure_bytes(figure, "svg"))
    return png, svg
