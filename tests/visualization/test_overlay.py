"""Overlays: their contents, positions and files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from freeloc._typing import BoolArray, Uint8Array
from freeloc.datasets import AnnotatedBox
from freeloc.errors import ConfigurationError
from freeloc.geometry.box import Box
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
from freeloc.inference.result import Localization, LocationMode
from freeloc.visualization import draw_overlay, draw_panels
from freeloc.visualization.overlay import NamedBox
from freeloc.visualization.palette import BOX, PREDICTED_BOX
from freeloc.visualization.panel_layout import ROW_WIDTH


def bumps(
    width: int,
    height: int,
    points: list[tuple[float, float]],
    *,
    names: list[str] | None = None,
    score: float = 3.0,
    mode: LocationMode = "fused",
) -> Localization:
    """One class per point, with a Gaussian map around the point; scores decrease from class to class."""
    image = Size(width, height)
    lattice = Lattice.with_spacing(image, 8.0)
    x, y = np.meshgrid(lattice.xs, lattice.ys)
    spread = max(width, height) / 8
    maps = np.array([0.9 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * spread**2)) for px, py in points])
    return Localization(
        image,
        tuple(names or [f"class {index}" for index in range(len(points))]),
        (score - 0.1 * np.arange(len(points))).astype(np.float32),
        np.array(points, np.float64).reshape(-1, 2),
        np.full(len(points), 0.9, np.float32),
        maps.reshape(len(points), lattice.rows, lattice.cols).astype(np.float32),
        lattice,
        mode,
    )


def flat(width: int, height: int, color: tuple[int, int, int] = (90, 90, 90)) -> Uint8Array:
    return np.full((height, width, 3), color, np.uint8)


def yellow(panel: Image.Image) -> BoolArray:
    red, green, blue = np.moveaxis(np.asarray(panel).astype(int), -1, 0)
    marked: BoolArray = (red > 215) & (green > 180) & (blue < 80)
    return marked


# --- crosses, maps, boxes ---------------------------------------------------------------------------------


@given(st.integers(1, 900), st.integers(1, 900), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40)
def test_the_cross_stands_on_the_point(width: int, height: int, across: float, down: float) -> None:
    localization = bumps(width, height, [(across * width, down * height)])
    panel = draw_panels(flat(width, height), localization)[1]
    ratio = min(640 / width, 360 / height)
    drawn = max(1, round(width * ratio)), max(1, round(height * ratio))
    left, top = max(0, (150 - drawn[0]) // 2), max(0, (60 - drawn[1]) // 2)
    expected = left + across * drawn[0], top + down * drawn[1]

    # Crosses at the edge are clipped, so only the visible arms are compared.
    rows, cols = np.nonzero(yellow(panel))
    if 12 < expected[0] < panel.width - 12 and 12 < expected[1] < max(60, drawn[1]) - 12:
        assert abs(cols.mean() + 0.5 - expected[0]) <= 1
        assert abs(rows.mean() + 0.5 - expected[1]) <= 1
    else:
        assert len(rows) > 0


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (255, 225, 25)])
def test_a_dark_outline_parts_the_cross_from_any_ground(ground: tuple[int, int, int]) -> None:
    image = draw_panels(flat(400, 300, ground), bumps(400, 300, [(200, 150)], names=["x"]))[0]
    line = np.asarray(image).astype(int).sum(axis=2)[180]  # through the center of the cross at 240
    assert yellow(image)[180, 240]
    assert line[228:240].min() < 150
    assert line[240:252].min() < 150


def test_the_map_colours_where_it_is_high_and_is_clear_where_it_is_low() -> None:
    panel = np.asarray(draw_panels(flat(600, 300), bumps(600, 300, [(150, 150)]))[1]).astype(int)
    chroma = panel[:300].max(axis=2) - panel[:300].min(axis=2)
    bare = np.asarray(draw_panels(flat(600, 300), bumps(600, 300, [(150, 150)]))[1])[20, 620].astype(int)
    assert chroma[180, 160 + 30] > 100
    assert (chroma[:, 480:] == 0).all()
    assert bare[0] < 90
    brightness = panel[180, 190:420].sum(axis=1)
    assert brightness[0] > brightness[120]


def test_a_weak_map_stays_faint() -> None:
    strong = bumps(400, 300, [(200, 150)])
    weak = dataclasses.replace(strong, maps=strong.maps * np.float32(0.1))
    chroma = []
    for localization in (strong, weak):
        panel = np.asarray(draw_panels(flat(400, 300), localization)[1]).astype(int)[:360]
        chroma.append((panel.max(axis=2) - panel.min(axis=2))[:, 270].max())
    assert chroma[1] < chroma[0] / 2


def colors_of_map(values: object) -> BoolArray:
    """Draw a map over a gray image, without the point, and return where it has a visible color."""
    localization = bumps(400, 300, [(200, 150)], names=["cat"])
    maps = np.broadcast_to(np.asarray(values, np.float32), localization.maps.shape)
    localization = dataclasses.replace(localization, maps=maps.copy(), points=np.full((1, 2), np.nan))
    panel = draw_panels(flat(400, 300), localization)[1]
    pixels = np.asarray(panel).astype(int)[:360, :480]
    visible: BoolArray = pixels.max(axis=2) - pixels.min(axis=2) > 12
    return visible


@pytest.mark.parametrize("level", [0.05, 0.15, 0.2, 0.3])
def test_faint_maps_do_not_cover_the_image(level: float) -> None:
    wide = bumps(400, 300, [(200, 150)]).maps / 0.9
    assert not colors_of_map(level).any()
    for maps in (level * wide, level * (0.5 + 0.5 * wide), level * np.sqrt(wide)):
        visible = colors_of_map(maps)
        assert visible.mean() < 0.3
        assert visible[150:210, 210:270].any() == (level > 0.05)


def test_a_strong_map_may_cover_the_image() -> None:
    """An object may fill the image."""
    wide = bumps(400, 300, [(200, 150)]).maps / 0.9
    assert colors_of_map(0.8).mean() > 0.9
    assert colors_of_map(0.8 * (0.5 + 0.5 * wide)).mean() > 0.9
    shares = [colors_of_map(level * (0.5 + 0.5 * wide)).mean() for level in (0.2, 0.4, 0.5, 0.6)]
    assert shares == sorted(shares)


def test_raw_maps_go_through_the_logistic() -> None:
    fused = bumps(400, 300, [(200, 150)])
    raw = np.log(np.clip(fused.maps, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(fused.maps, 1e-6, 1 - 1e-6))
    paper = dataclasses.replace(fused, maps=raw.astype(np.float32), mode="paper")
    one, other = (np.asarray(draw_panels(flat(400, 300), each)[1]).astype(int) for each in (fused, paper))
    assert np.abs(one - other).max() <= 2


def test_a_raw_map_full_of_sure_windows_still_shows_the_surest() -> None:
    localization = bumps(400, 300, [(300, 100)], mode="paper")
    # From 8 to 17, where the sigmoid is 1 everywhere.
    localization = dataclasses.replace(localization, maps=8 + 10 * localization.maps)
    panel = np.asarray(draw_panels(flat(400, 300), localization)[1]).astype(int)
    ratio = panel.shape[1] / 400
    at_the_point, beside, far = (panel[round(100 * ratio) + 20, round(x * ratio)] for x in (300, 262, 40))
    assert np.abs(at_the_point - beside).sum() > 60
    assert np.abs(beside - far).sum() > 60


def test_boxes_are_green_on_their_own_panels() -> None:
    localization = bumps(400, 200, [(100, 100), (300, 100)], names=["cat", "dog"])
    boxes: list[NamedBox] = [
        ("cat", AnnotatedBox(0, 50.0, 50.0, 150.0, 150.0)),
        ("dog", Box(260.0, 40.0, 400.0, 200.0, score=0.5)),
    ]
    panels = [
        np.asarray(panel).astype(int) for panel in draw_panels(flat(400, 200), localization, boxes=boxes)
    ]
    green = [(panel[..., 1] > 190) & (panel[..., 0] < 120) & (panel[..., 2] < 150) for panel in panels]
    scale = 1.6
    left_edge, right_edge = (slice(120, 180), round(50 * scale)), (slice(150, 250), round(260 * scale))
    assert green[0][left_edge].all()
    assert green[0][right_edge].all()
    assert green[1][left_edge].all()
    assert not green[1][right_edge].any()
    assert green[2][right_edge].all()
    assert not green[2][left_edge].any()


def colored(panel: Image.Image, color: tuple[int, int, int]) -> BoolArray:
    differences = np.abs(np.asarray(panel).astype(int) - color)
    marked: BoolArray = differences.max(axis=2) <= 2
    return marked


def test_the_models_boxes_are_blue_and_those_of_their_class() -> None:
    localization = bumps(400, 200, [(100, 100), (300, 100)], names=["cat", "dog"])
    plain = draw_panels(flat(400, 200), localization)
    panels = draw_panels(flat(400, 200), localization, boxes=2)
    edges: list[set[tuple[str, int]]] = []
    for panel in panels:
        blue = colored(panel, PREDICTED_BOX)
        found = set()
        for name in ("cat", "dog"):
            for box in localization.boxes(name, count=2):
                x1, y1, x2, y2 = (round(1.6 * value) for value in (box.x1, box.y1, box.x2, box.y2))
                left = blue[y1 + 2 : min(y2, 319) - 2, min(max(x1, 0), 639)]
                right = blue[y1 + 2 : min(y2, 319) - 2, min(max(x2 - 1, 0), 639)]
                if left.mean() > 0.5 and right.mean() > 0.5:
                    found.add((name, x1))
        edges.append(found)
    assert {name for name, _ in edges[0]} == {"cat", "dog"}
    assert {name for name, _ in edges[1]} == {"cat"}
    assert {name for name, _ in edges[2]} == {"dog"}
    assert not any(colored(panel, PREDICTED_BOX).any() for panel in plain)
    assert not any(colored(panel, BOX).any() for panel in panels)


def test_peaks_are_small_crosses_beside_the_point() -> None:
    localization = bumps(400, 200, [(100, 100)], names=["cat"])
    x, y = np.meshgrid(localization.lattice.xs, localization.lattice.ys)
    second = 0.7 * np.exp(-((x - 300) ** 2 + (y - 60) ** 2) / (2 * 30**2))
    localization = dataclasses.replace(
        localization, maps=np.maximum(localization.maps, second[None]).astype(np.float32)
    )
    peaks = localization.peaks("cat", count=5)
    assert len(peaks) == 2
    for panel in draw_panels(flat(400, 200), localization, peaks=5):
        marked = yellow(panel)
        at_point, at_peak = (
            marked[round(1.6 * spot.y) - 20 : round(1.6 * spot.y) + 20, round(1.6 * spot.x) - 20 :][:, :40]
            for spot in peaks
        )
        assert 20 < at_peak.sum() < 0.7 * at_point.sum()
    for number in (0, 1):
        for panel in draw_panels(flat(400, 200), localization, peaks=number):
            assert not yellow(panel)[:, 400:].any()


def test_maps_that_are_none_have_no_boxes_or_peaks() -> None:
    localization = bumps(100, 80, [(20, 20)])
    broken = dataclasses.replace(localization, maps=np.full_like(localization.maps, np.nan))
    for panel in draw_panels(flat(100, 80), broken, boxes=3, peaks=3):
        assert not colored(panel, PREDICTED_BOX).any()


# --- which panels -----------------------------------------------------------------------------------------


def test_one_panel_per_present_class_most_probable_first() -> None:
    localization = bumps(100, 80, [(20, 20), (50, 50), (80, 60)], names=["a", "b", "c"])
    localization = dataclasses.replace(localization, scores=np.array([-2.0, 1.0, 2.0], np.float32))
    image = flat(100, 80)
    assert len(draw_panels(image, localization)) == 3
    assert len(draw_panels(image, localization, threshold=0.8)) == 2
    assert len(draw_panels(image, localization, max_classes=1)) == 2
    assert len(draw_panels(image, localization, classes=["a"])) == 2
    ordered = draw_panels(image, localization)
    named = draw_panels(image, localization, classes=["c", "b"])
    assert [panel.tobytes() for panel in ordered] == [panel.tobytes() for panel in named]


def test_no_present_class_is_said_in_the_caption() -> None:
    localization = bumps(100, 80, [(20, 20)], score=-4)
    image = flat(100, 80)
    none_at_half = draw_panels(image, localization)
    assert len(none_at_half) == 1
    none_at_ninety = draw_panels(image, localization, threshold=0.9)
    assert np.array_equal(np.asarray(none_at_half[0])[:360], np.asarray(none_at_ninety[0])[:360])
    assert none_at_half[0].tobytes() != none_at_ninety[0].tobytes()
    assert not yellow(none_at_half[0]).any()


def test_unknown_classes_and_wrong_images_are_refused() -> None:
    localization = bumps(100, 80, [(20, 20)])
    with pytest.raises(ConfigurationError, match="the model does not have the class 'unicorn'"):
        draw_overlay(flat(100, 80), localization, classes=["unicorn"])
    for wrong in (flat(80, 100), flat(100, 80)[..., 0]):
        with pytest.raises(ValueError, match="image"):
            draw_overlay(wrong, localization)
    with pytest.raises(ValueError, match="image"):
        draw_overlay(flat(100, 80).astype(np.float32), localization)
    for mode, size in (("L", (100, 80)), ("RGBA", (100, 80)), ("RGB", (33, 27)), ("RGB", (49, 40))):
        with pytest.raises(ValueError, match="image"):
            draw_overlay(Image.new(mode, size), localization)


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
def test_a_reduced_image_gives_nearly_the_same_overlay(reduction: int) -> None:
    width, height = 1203, 901
    localization = bumps(width, height, [(300, 200), (900, 700)])
    rows, cols = np.mgrid[:height, :width]
    smooth = np.stack([rows * 255 // height, cols * 255 // width, (rows + cols) // 9], axis=-1)
    image = Image.fromarray(smooth.astype(np.uint8))
    whole = draw_overlay(smooth.astype(np.uint8), localization)
    drawn = draw_overlay(image.reduce(reduction) if reduction > 1 else image, localization)
    assert drawn.size == whole.size
    difference = np.abs(np.asarray(drawn).astype(int) - np.asarray(whole).astype(int))
    assert difference.mean() < 0.5
    assert difference.max() == 0 if reduction == 1 else difference.max() < 16


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 3000), (5000, 7), (4000, 3000), (500, 375)])
def test_any_size_is_drawn_within_bounds(size: tuple[int, int]) -> None:
    localization = bumps(*size, [(size[0] / 2, size[1] / 2)] * 5)
    image = flat(*size)
    panels = draw_panels(image, localization)
    assert len({panel.size for panel in panels}) == 1
    assert 150 <= panels[0].width <= 640
    assert 60 < panels[0].height <= 360 + 40
    whole = draw_overlay(image, localization)
    assert whole.mode == "RGB"
    assert whole.width <= ROW_WIDTH
    assert (image == 90).all()


def test_numbers_that_are_none_draw_no_cross() -> None:
    localization = bumps(100, 80, [(20, 20), (60, 40)])
    nothing = np.full_like(localization.maps, np.nan)
    localization = dataclasses.replace(localization, maps=nothing, points=np.full((2, 2), np.nan))
    panels = draw_panels(flat(100, 80), localization)
    assert len(panels) == 3
    assert not any(yellow(panel).any() for panel in panels)


@pytest.mark.images
def test_a_real_image(voc_root: Path) -> None:
    path = min((voc_root / "JPEGImages").glob("2008_*.jpg"))
    image = load_image(path)
    height, width = image.shape[:2]
    localization = dataclasses.replace(bumps(width, height, [(width / 2, height / 2)]), path=path)
    assert draw_overlay(image, localization).width > 300
