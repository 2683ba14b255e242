"""Reliability diagrams: points of the bins, and reproducible files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc._printable import printable_lines
from freeloc.metrics import CalibrationOptions, reliability_bins
from freeloc.visualization.plots import BLUE, RED, figure_style, grid_axes, new_figure, save_figure
from freeloc.visualization.reliability_diagram import ReliabilityCurve, reliability_diagram
from tests.hostile_names import HOSTILE, is_safe

pytest.importorskip("matplotlib")


def test_points_lie_where_the_bins_are(tmp_path: Path) -> None:
    from matplotlib.patches import StepPatch
    from matplotlib.text import Text

    probabilities = np.array([[0.1, 0.9], [0.2, 0.7], [0.3, 1.0], [0.4, 0.5]])
    labels = np.array([[-1, 1], [1, -1], [-1, 1], [0, 1]])
    bins = reliability_bins(probabilities, labels, CalibrationOptions(4))
    nothing = reliability_bins(probabilities, np.zeros_like(labels), CalibrationOptions(4))
    curves = [ReliabilityCurve("raw $x$", bins, RED), ReliabilityCurve("none", nothing, BLUE)]
    figure = reliability_diagram(curves, "A title")
    upper, lower = figure.axes
    _diagonal, first, second = upper.lines
    points = np.asarray(first.get_xydata())
    np.testing.assert_allclose(points[:, 0], np.array([0.15, 0.3, 0.6, 0.95]))
    np.testing.assert_allclose(points[:, 1], np.array([0.5, 0.0, 0.5, 1.0]))
    assert len(np.asarray(second.get_xydata())) == 0
    steps = lower.patches[0]
    assert isinstance(steps, StepPatch)
    counts, edges, _ = steps.get_data()
    assert counts.tolist() == [2, 1, 2, 2]
    assert edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    found = {text.get_text() for text in figure.findobj(Text) if text.get_visible()}
    assert {"A title", f"{100 * bins.error:.1f}", "–", "raw $x$ (number: error, %)"} <= found
    # Inside the page, and the same bytes each time.
    one, other = (save_figure(reliability_diagram(curves), tmp_path / name) for name in ("a", "b"))
    for first_file, second_file in zip(one, other, strict=True):
        assert first_file.read_bytes() == second_file.read_bytes()
    with pytest.raises(ValueError, match="at least one"):
        reliability_diagram([])


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_names_in_figures_are_text(name: str, tmp_path: Path) -> None:
    """Names are neither formulas nor control characters, which would make an SVG invalid."""
    from defusedxml.ElementTree import parse

    with figure_style():
        figure = new_figure(3, 2, f"$x$ {name}")
        ((area,),) = grid_axes(figure, [1.0], [1.0], left=0.5, top=0.5, gap_x=0, gap_y=0)
        area.set_title(name)
        area.set_yticks([0, 1], [name, "https://a.example"])
        area.legend(handles=area.plot([0, 1], label=name))
    _png, svg = save_figure(figure, tmp_path / "figure")
    root = parse(svg).getroot()
    assert not list(root.iter("{http://www.w3.org/2000/svg}a"))
    # matplotlib adds each text as a comment.
    assert f"<!-- $x$ {printable_lines(name).splitlines()[0][:3]}" in svg.read_text("utf-8")
    assert is_safe(svg.read_text("utf-8"))
