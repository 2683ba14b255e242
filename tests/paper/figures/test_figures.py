"""Figures of the reproduction: values, positions, and reproducible files."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeloc._typing import Float64Array
from freeloc.errors import FreelocError
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.metrics import (
    PrecisionRecallCurve,
    classification_ap,
    mean_over_classes,
    precision_recall_curve,
)
from freeloc.paper.figures import image_axes
from freeloc.paper.figures import precision_recall as curves
from freeloc.paper.figures.class_bars import draw_class_bars, draw_group_bars, order_by_gap
from freeloc.paper.figures.examples import (
    BoxExample,
    ExamplePoint,
    PointExample,
    draw_box_examples,
    draw_point_examples,
)
from freeloc.paper.figures.map_evolution import (
    EvolutionRow,
    Frame,
    draw_class_evolution,
    draw_map_evolution,
)
from freeloc.paper.figures.precision_recall import CurveSet, draw_precision_recall
from freeloc.visualization.colormap import apply_colormap
from freeloc.visualization.plots import BLUE, GREEN, MAGENTA, PAPER_PAIRS, RED, save_figure

matplotlib = pytest.importorskip("matplotlib")
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

NAMES = ("cat", "dog", "$x$", "bus")


def texts(figure: Figure) -> list[str]:
    found = figure.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found if text.get_visible()]


def rectangles(area: Axes) -> list[Rectangle]:
    """Return the patches of axes that contain only rectangles."""
    found = [patch for patch in area.patches if isinstance(patch, matplotlib.patches.Rectangle)]
    assert len(found) == len(area.patches)
    return found


def shown_image(area: Axes) -> np.ndarray:
    """Return the values of the first image of axes."""
    values = area.images[0].get_array()
    assert values is not None
    return values


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def pixels(figure: Figure, path: Path) -> np.ndarray:
    png, _svg = save_figure(figure, path)
    with Image.open(png) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])


# --- bars ------------------------------------------------------------------------------------------------


def test_the_greatest_gap_comes_first_and_unknown_ones_last() -> None:
    assert order_by_gap([0.5, 0.9, np.nan, 0.4, 0.4], [0.5, 0.2, 0.1, 0.6, 0.4]) == [1, 0, 4, 3, 2]


def test_bars_are_as_long_as_their_numbers() -> None:
    first, second = np.array([0.5, 0.9, np.nan, 0.4]), np.array([0.45, 0.2, 0.1, 0.40001])
    figure = draw_class_bars(NAMES, first, second, ("tags", "boxes"), "A title")
    (area,) = figure.axes
    assert [label.get_text() for label in area.get_yticklabels()] == ["dog", "cat", "bus", "$x$"]
    widths = [bar.get_width() for bar in rectangles(area)]
    np.testing.assert_allclose(widths, [90, 50, 40, 0, 20, 45, 40.001, 10])
    rows = [round(bar.get_y() + bar.get_height() / 2) for bar in rectangles(area)]
    assert rows == [0, 1, 2, 3, 0, 1, 2, 3]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in area.patches]
    assert colours == [BLUE] * 4 + [RED] * 4
    told = texts(figure)
    for words in ("A title", "90.0", "–", "+70.0", "+5.0", "tags (mean 60.0)", "boxes (mean 28.8)"):
        assert words in told
    assert "−0.0" not in told  # what rounds to nothing has no sign


def test_long_names_stay_inside_the_figure() -> None:
    labels = ("weakly supervised: classification", "masked pooling, pushed down outside: classification")
    figure = draw_class_bars(NAMES, [0.5] * 4, [0.4] * 4, labels, "A title")
    figure.canvas.draw()
    for words in figure.legends[0].get_texts():
        assert 0 <= words.get_window_extent().x0 < words.get_window_extent().x1 <= figure.bbox.width


def test_eighty_classes_fit_without_overlap() -> None:
    random = np.random.default_rng(0)
    first, second = random.random((2, 80))
    figure = draw_class_bars([f"class {n}" for n in range(80)], first, second, ("a", "b"), "Title")
    assert len(figure.axes) == 2
    shown = [label.get_text() for area in figure.axes for label in area.get_yticklabels()]
    assert sorted(shown) == sorted(f"class {n}" for n in range(80))
    figure.canvas.draw()
    boxes = [text.get_window_extent() for area in figure.axes for text in area.texts]
    boxes += [label.get_window_extent() for area in figure.axes for label in area.get_yticklabels()]
    whole = figure.bbox
    assert all(box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0 for box in boxes)
    # A small overlap is allowed, because the boxes include space for descenders, which digits lack.
    shrunk = np.array([[box.x0 + 1, box.y0 + 2, box.x1 - 1, box.y1 - 2] for box in boxes])
    lower = np.maximum(shrunk[:, None, :2], shrunk[None, :, :2])
    upper = np.minimum(shrunk[:, None, 2:], shrunk[None, :, 2:])
    meet = np.triu((upper > lower).all(axis=2), 1)
    assert not meet.any()


def test_bars_need_numbers_for_every_class() -> None:
    for wrong in ([0.5], [[0.5, 0.5, 0.5, 0.5]]):
        with pytest.raises(ValueError, match="4 classes"):
            draw_class_bars(NAMES, wrong, [0.1] * 4, ("a", "b"))
    with pytest.raises(ValueError, match="at least one class"):
        draw_class_bars([], [], [], ("a", "b"))


def test_groups_have_a_chart_each_in_their_own_order() -> None:
    first, second = np.array([0.5, 0.9, np.nan, 0.4]), np.array([0.45, 0.2, 0.1, 0.4])
    figure = draw_group_bars({"pets": [1, 0], "$y$": [2, 3]}, NAMES, first, second, ("a", "b"), "A title")
    pets, others = figure.axes
    assert [label.get_text() for label in pets.get_yticklabels()] == ["dog", "cat"]
    assert [label.get_text() for label in others.get_yticklabels()] == ["$x$", "bus"]
    np.testing.assert_allclose([bar.get_width() for bar in rectangles(pets)], [90, 50, 20, 45])
    assert {"pets: 70.0 / 32.5", "$y$: 40.0 / 25.0", "a (mean 60.0)", "–"} <= set(texts(figure))
    assert [bool(area.get_xlabel()) for area in figure.axes] == [False, True]


def test_groups_of_eighty_classes_fit_without_overlap() -> None:
    names = [f"class {n}" for n in range(80)]
    ends = [0, 1, 9, 14, 24, 29, 39, 46, 56, 62, 68, 73, 80]
    groups = {f"group {n}": range(*pair) for n, pair in enumerate(itertools.pairwise(ends))}
    values = np.linspace(0, 1, 80)
    figure = draw_group_bars(groups, names, values, values[::-1], ("a", "b"), "Title")
    assert [area.get_title(loc="left").split(":")[0] for area in figure.axes] == list(groups)
    figure.canvas.draw()
    boxes = [area.get_tightbbox() for area in figure.axes]
    whole = figure.bbox
    assert all(box is not None and box.x0 >= 0 and box.x1 <= whole.x1 and box.y0 >= 0 for box in boxes)
    for one, other in itertools.combinations([box for box in boxes if box is not None], 2):
        assert (
            min(one.x1, other.x1) <= max(one.x0, other.x0)
            or min(one.y1, other.y1) - max(one.y0, other.y0) < 4
        )


def test_groups_need_classes() -> None:
    wrong: tuple[dict[str, list[int]], ...] = ({}, {"pets": []})
    for groups in wrong:
        with pytest.raises(ValueError, match="at least one group"):
            draw_group_bars(groups, NAMES, [0.5] * 4, [0.5] * 4, ("a", "b"))


# --- colours ---------------------------------------------------------------------------------------------

SIGHTS = {
    "usual": np.eye(3),
    # Machado, Oliveira, Fernandes 2009, severity 1, for linear RGB.
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def lab(colour: str, sight: np.ndarray) -> np.ndarray:
    """Compute CIE L*a*b* of a perceived sRGB color from the definition."""
    share = rgb(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(sight @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("sight", SIGHTS)
def test_all_eyes_tell_the_colours_apart(sight: str) -> None:
    assert set(itertools.chain(*PAPER_PAIRS.values())) == {BLUE, RED, GREEN, MAGENTA}
    for one, other in itertools.combinations((BLUE, RED, GREEN, MAGENTA), 2):
        distance = np.linalg.norm(lab(one, SIGHTS[sight]) - lab(other, SIGHTS[sight]))
        assert distance > 15, (one, other, distance)


# --- curves ----------------------------------------------------------------------------------------------


def curve_of(scores: np.ndarray, present: np.ndarray) -> PrecisionRecallCurve:
    return precision_recall_curve(scores, present)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40))
def test_the_area_under_the_drawn_line_is_the_average_precision(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], float)
    present = np.array([flag for _, flag in pairs])
    x, y = curves._staircase(curve_of(scores, present))
    expected = classification_ap(scores[:, None], np.where(present, 1, -1)[:, None])[0]
    if np.isnan(expected):
        assert len(x) == 0
    else:
        assert (np.diff(x) >= 0).all()
        assert (np.diff(y) <= 0).all()
        assert np.trapezoid(y, x) == pytest.approx(expected)
        assert y[-1] == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=20))
def test_raised_precision_is_the_best_at_that_recall_or_more(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], float)
    present = np.array([flag for _, flag in pairs])
    curve = precision_recall_curve(scores, present, float(present.sum()) + 1)  # one object is never found
    recalls = np.array([0.0, 0.31, 0.77, 1.0])
    expected = [
        max((p for p, r in zip(curve.precision, curve.recall, strict=True) if r >= recall), default=0.0)
        for recall in recalls
    ]
    np.testing.assert_allclose(curves.raised_precision(curve, recalls), expected)


@pytest.fixture(scope="module")
def three() -> list[PrecisionRecallCurve]:
    random = np.random.default_rng(1)
    made = []
    for share in (0.3, 0.1, 0.0):
        present = random.random(300) < share
        made.append(curve_of(random.normal(size=300) + 1.5 * present, present))
    return made


def test_the_mean_leaves_out_classes_without_positives(three: list[PrecisionRecallCurve]) -> None:
    both = (curves.raised_precision(three[0]) + curves.raised_precision(three[1])) / 2
    np.testing.assert_allclose(curves.mean_curve(three), both)
    assert np.isnan(curves.mean_curve(three[2:])).all()


def test_a_panel_per_class_and_one_for_the_mean(three: list[PrecisionRecallCurve]) -> None:
    sets = [CurveSet("classification", three, BLUE), CurveSet("location", three[::-1], GREEN)]
    figure = draw_precision_recall(("cat", "dog", "bus"), sets, "Title")
    assert [area.get_title() for area in figure.axes] == ["mean", "cat", "dog", "bus"]
    areas = [curves._area(curve) for curve in three]
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == [f"{100 * mean_over_classes(areas):.1f}"] * 2
    assert [text.get_text() for text in figure.axes[1].texts] == [f"{100 * areas[0]:.1f}", "–"]
    assert {line.get_color() for line in figure.axes[2].lines} == {BLUE, GREEN}


@pytest.mark.parametrize(("panels", "columns"), [(2, 2), (7, 7), (21, 7), (81, 9), (11, 6)])
def test_panels_fill_their_rows(panels: int, columns: int) -> None:
    assert curves._columns(panels) == columns


def test_eighty_panels(three: list[PrecisionRecallCurve]) -> None:
    names = [f"class {n}" for n in range(80)]
    figure = draw_precision_recall(names, [CurveSet("a", [three[n % 2] for n in range(80)], BLUE)])
    assert [area.get_title() for area in figure.axes][1:] == names
    frames = np.array([area.get_position().extents for area in figure.axes])
    assert frames.min() > 0
    assert frames.max() < 1


def test_curves_need_one_per_class(three: list[PrecisionRecallCurve]) -> None:
    for names, sets in (((), []), (("cat",), []), (("cat",), [CurveSet("a", three, BLUE)])):
        with pytest.raises(ValueError, match="one curve per class"):
            draw_precision_recall(names, sets)


# --- images -----------------------------------------------------------------------------------------


@given(
    width=st.integers(40, 700),
    height=st.integers(40, 700),
    across=st.floats(0.1, 0.9),
    down=st.floats(0.1, 0.9),
)
@settings(max_examples=25)
def test_a_map_lies_over_the_image_as_its_lattice_does(
    width: int, height: int, across: float, down: float
) -> None:
    """A smooth ramp on a lattice is drawn with the ramp's value at each pixel."""
    lattice = Lattice(Size(width, height), 6, 8)
    ramp = (across * lattice.xs / width + (1 - across) * down * lattice.ys[:, None] / height) * 0.8
    drawn = image_axes.overlay_map(Image.fromarray(grey(height, width)), ramp.astype(np.float32))
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    wanted = (across * x + (1 - across) * down * y[:, None]) * 0.8
    inner_x, inner_y = (abs(x - 0.5) < 0.4), (abs(y - 0.5) < 0.4)
    base = 0.62 * 90 + 30
    opacity = 0.78 * np.clip((wanted - 0.12) / 0.6, 0, 1)[..., None]
    expected: Float64Array = base * (1 - opacity) + apply_colormap(wanted) * opacity
    difference = np.abs(drawn - expected)[np.ix_(inner_y, inner_x)]
    assert difference.max() < 3


def frame(iteration: int, peak: float) -> Frame:
    values = np.full((6, 8), -peak, np.float32)
    values[1, 6] = peak
    return Frame(iteration, values, (300, 0, 400, 100), (-50, 200, 150, 320), score=-peak)


def test_evolution_shows_windows_and_growing_maps(tmp_path: Path) -> None:
    rows = [EvolutionRow(grey(300, 400), "cat", [frame(10, 0.5), frame(5000, 2.0)], absent_class="dog")]
    figure = draw_map_evolution(rows, "Title")
    told = texts(figure)
    for words in ("iteration 10", "iteration 5\u2009000", "cat", "not dog", "−0.50", "Title"):
        assert words in told
    for area in figure.axes:
        losing, winning = (np.array(patch.get_bbox().extents) for patch in rectangles(area))
        assert winning.tolist() == [300, 0, 400, 100]
        assert losing.tolist() == [0, 200, 150, 300]  # the part on the image
        assert (area.get_xlim(), area.get_ylim()) == ((0, 400), (300, 0))
    early, late = (shown_image(area).astype(int) for area in figure.axes)
    spot = (slice(60, 90), slice(310, 340))  # the cell with the peak
    chroma = [np.ptp(shown[spot], axis=2).mean() for shown in (early, late)]
    assert chroma[1] > chroma[0] > 0  # one color scale for the row
    assert np.ptp(late[200:, :200], axis=2).max() == 0  # values below zero are not colored


def test_colours_of_a_row_can_be_told_and_low_maps_still_show() -> None:
    low = Frame(1, np.array([[-4, -2]], np.float32), (0, 0, 9, 9))
    assert shown_image(draw_map_evolution([EvolutionRow(grey(10, 20), "cat", [low])]).axes[0]).std() > 5
    told = EvolutionRow(grey(10, 20), "cat", [low], limits=(0.0, 1.0))
    assert shown_image(draw_map_evolution([told]).axes[0]).std() == 0


def test_names_of_classes_stay_inside_the_figure() -> None:
    names = (("tv", "potted plant"), ("parking meter on a street", "tv"), ("tv", None))
    for name, absent in names:
        row = EvolutionRow(grey(300, 400), name, [frame(10, 0.5)], absent_class=absent)
        figure = draw_map_evolution([row])
        figure.canvas.draw()
        assert min(text.get_window_extent().x0 for text in figure.axes[0].texts) >= 0


def test_one_class_has_a_column_per_image_with_the_image_on_top() -> None:
    rows = [
        EvolutionRow(grey(300, 400), "cat", [frame(0, 0.1), frame(40, 2.0)]),
        EvolutionRow(grey(400, 300), "cat", [frame(0, 0.1), frame(40, 0.5)]),
    ]
    figure = draw_class_evolution(rows, "cat")
    assert {"cat", "images", "iteration\n0", "iteration\n40", "−2.00"} <= set(texts(figure))
    assert "highest-scoring window of an absent class" not in texts(figure)
    images, early, late = (figure.axes[line : line + 2] for line in (0, 2, 4))
    for column in (0, 1):
        assert (shown_image(images[column]) == 90).all()
        (window,) = rectangles(late[column])  # that of the absent class is left out
        assert window.get_bbox().x1 == min(400, rows[column].image.shape[1])
    spot = (slice(60, 90), slice(310, 340))  # the cell with the peak
    chroma = [np.ptp(shown_image(area[0]).astype(int)[spot], axis=2).mean() for area in (early, late)]
    assert chroma[1] > chroma[0]
    for area in figure.axes:
        box = area.get_position()
        assert 0 < box.x0 < box.x1 < 1
        assert 0 < box.y0 < box.y1 < 1


def test_rows_of_an_evolution_share_their_iterations() -> None:
    for rows in (
        [],
        [EvolutionRow(grey(9, 9), "cat", [])],
        [EvolutionRow(grey(9, 9), "cat", [frame(n, 1.0)]) for n in (1, 2)],
    ):
        with pytest.raises(ValueError, match="must have the same iterations"):
            draw_map_evolution(rows)
        with pytest.raises(ValueError, match="must have the same iterations"):
            draw_class_evolution(rows)


def test_points_have_their_cross_and_the_frame_of_their_outcome(tmp_path: Path) -> None:
    cat = ExamplePoint("cat", 100.0, 75.0, 0.93, True)
    long = ExamplePoint("a class with a very long name indeed", 10.0, 390.0, -0.5, False)
    dog = ExamplePoint("dog", float("nan"), 0.5, 0.0, True)
    examples = [
        PointExample(grey(300, 400), [cat], cat),
        PointExample(grey(400, 300), [], long),
        PointExample(grey(1, 1), [dog], dog),
    ]
    figure = draw_point_examples(examples, 2)
    picture = pixels(figure, tmp_path / "points")
    told = texts(figure)
    assert "cat  0.93 ✓" in told
    assert any(text.startswith("a class") and text.endswith("...  −0.50 ✗") for text in told)
    yellow = (picture == rgb("#ffe119")).all(axis=2)
    assert [len(area.lines) for area in figure.axes] == [1, 1, 0]
    for area, example, colour in zip(figure.axes, examples, (GREEN, RED, GREEN), strict=True):
        frame_box = area.get_window_extent()
        scale = picture.shape[1] / figure.bbox.width
        left, right = frame_box.x0 * scale, frame_box.x1 * scale
        top, bottom = picture.shape[0] - frame_box.y1 * scale, picture.shape[0] - frame_box.y0 * scale
        assert (picture[round((top + bottom) / 2), round(left)] == rgb(colour)).all()
        assert (right - left) / (bottom - top) == pytest.approx(
            example.image.shape[1] / example.image.shape[0], rel=0.02
        )
        if example is examples[0]:
            rows, cols = np.nonzero(yellow[round(top) : round(bottom), round(left) : round(right)])
            assert cols.mean() / (right - left) == pytest.approx(100 / 400, abs=0.01)
            assert rows.mean() / (bottom - top) == pytest.approx(75 / 300, abs=0.01)


def test_an_image_has_the_points_of_all_its_classes_with_their_outcomes() -> None:
    cat, dog = ExamplePoint("cat", 100.0, 75.0, 0.9, True), ExamplePoint("dog", 380.0, 290.0, 0.4, False)
    image = PointExample(grey(300, 400), [cat, dog])
    figure = draw_point_examples([image, PointExample(grey(300, 400), [cat], dog)], 2)
    first, second = figure.axes
    assert [tuple(np.ravel(line.get_xydata())) for line in first.lines] == [(100, 75), (380, 290)]
    assert len(second.lines) == 2
    told = texts(figure)
    assert {"1 of 2 points right", "dog  0.40 ✗"} <= set(told)
    assert (told.count("cat ✓"), told.count("dog ✗")) == (2, 2)
    colors = {text.get_text(): text.get_color() for text in first.texts}
    assert colors["cat ✓"] != colors["dog ✗"]
    figure.canvas.draw()
    for area in figure.axes:
        names = [text.get_window_extent() for text in area.texts if text.get_text() in ("cat ✓", "dog ✗")]
        inside = area.get_window_extent()
        assert all(box.x0 >= inside.x0 and box.x1 <= inside.x1 and box.y0 >= inside.y0 for box in names)
    assert (
        figure.get_size_inches()[0]
        > draw_point_examples([PointExample(grey(9, 9), [cat], cat)] * 2, 2).get_size_inches()[0]
    )


def test_names_of_points_close_together_do_not_cover_each_other() -> None:
    points = [
        ExamplePoint(f"class {n}", 200.0 + 25 * (n % 2), 150.0 + 25 * (n // 2), 0.5, n > 1) for n in range(4)
    ]
    figure = draw_point_examples([PointExample(grey(300, 400), points)], 1)
    (area,) = figure.axes
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in area.texts if text.get_text().startswith("class")]
    assert len(boxes) == 4
    for one, other in itertools.combinations(boxes, 2):
        assert min(one.x1, other.x1) <= max(one.x0, other.x0) or min(one.y1, other.y1) <= max(
            one.y0, other.y0
        )


def test_extents_show_both_kinds_of_boxes() -> None:
    one = BoxExample(grey(300, 400), "cat", [(10, 20, 200, 220)], [(0, 0, 500, 100)], 0.25)
    figure = draw_box_examples([one])
    (area,) = figure.axes
    annotated, found = rectangles(area)
    assert np.array(annotated.get_bbox().extents).tolist() == [0, 0, 400, 100]
    assert np.array(found.get_bbox().extents).tolist() == [10, 20, 200, 220]
    assert annotated.get_linestyle() != found.get_linestyle()
    told = texts(figure)
    assert {"cat  IoU 0.25", "predicted", "annotated"} <= set(told)
    assert "annotated" not in texts(draw_box_examples([BoxExample(grey(9, 9), "cat", [])]))


def test_sheets_need_images() -> None:
    for draw in (draw_point_examples, draw_box_examples):
        with pytest.raises(ValueError, match="at least one example"):
            draw([])
    with pytest.raises(ValueError, match="image must be"):
        draw_point_examples([PointExample(grey(9, 9).astype(float), [])])


def test_large_images_are_shrunk() -> None:
    figure = draw_box_examples([BoxExample(grey(3000, 4000), "cat", [(0, 0, 2000, 1500)])])
    assert shown_image(figure.axes[0]).shape == (420, 560, 3)
    assert figure.axes[0].get_xlim() == (0, 4000)


# --- files -----------------------------------------------------------------------------------------------


def test_files_repeat_byte_by_byte_and_name_no_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> list[bytes]:
        figure = draw_class_bars(NAMES, [0.5] * 4, [0.25, 0.3, 0.1, 0.2], ("a", "b"), "Title")
        paths = save_figure(figure, tmp_path / "new" / "voc.2012")
        assert [path.name for path in paths] == ["voc.2012.png", "voc.2012.svg"]
        return [path.read_bytes() for path in paths]

    first = draw()
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "none", "axes.facecolor": "red"}):
        assert draw() == first
    png, svg = first
    assert png.startswith(b"\x89PNG")
    assert not re.search(rb"tEXt|tIME|<dc:date>|Matplotlib", png + svg)
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert b"<script" not in svg
    assert b"<text" not in svg  # letters are outlines: no font is needed
    assert not re.search(rb'href="(?!#|data:)', svg)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["voc.2012.png", "voc.2012.svg"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(FreelocError, match=r"cannot write .*a\.png"):
        save_figure(draw_box_examples([BoxExample(grey(9, 9), "cat", [])]), tmp_path / "a")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(FreelocError, match=r"pip install 'freeloc\[reproduce\]'"):
        draw_class_bars(NAMES, [0.5] * 4, [0.5] * 4, ("a", "b"))
    with pytest.raises(FreelocError, match=r"pip install 'freeloc\[reproduce\]'"):
        draw_box_examples([BoxExample(grey(9, 9), "cat", [])])


def test_matplotlib_comes_late_and_pyplot_never() -> None:
    code = (
        "import sys; from freeloc.paper.figures.class_bars import draw_class_bars; "
        "from freeloc.visualization.plots import figure_bytes; "
        "assert 'matplotlib' not in sys.modules; "
        "figure_bytes(draw_class_bars(['a'], [1], [0], ('b', 'c')), 'svg'); "
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
