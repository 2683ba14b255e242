"""The pictures: what is drawn, where, and how it is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from freeloc.errors import ConfigurationError, OutputError
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
from freeloc.inference.result import Localization, LocationMode
from freeloc.visualization import draw_grid, draw_overlay, draw_panels, fonts, overlay, save_image


def bumps(
    width: int,
    height: int,
    points: list[tuple[float, float]],
    *,
    names: list[str] | None = None,
    score: float = 3.0,
    mode: LocationMode = "fused",
) -> Localization:
    """One class per point, its map a Gaussian bump around the point; scores fall from class to class."""
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


def flat(width: int, height: int, colour: tuple[int, int, int] = (90, 90, 90)) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def yellow(picture: Image.Image) -> np.ndarray:
    red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
    return (red > 215) & (green > 180) & (blue < 80)


# --- crosses, maps, boxes ---------------------------------------------------------------------------------


@given(st.integers(1, 900), st.integers(1, 900), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_the_cross_stands_on_the_point(width: int, height: int, across: float, down: float) -> None:
    localization = bumps(width, height, [(across * width, down * height)])
    panel = draw_panels(flat(width, height), localization)[1]
    ratio = min(640 / width, 360 / height)
    drawn = max(1, round(width * ratio)), max(1, round(height * ratio))
    left, top = max(0, (150 - drawn[0]) // 2), max(0, (60 - drawn[1]) // 2)
    expected = left + across * drawn[0], top + down * drawn[1]

    # Crosses at the very edge are cut: pad by comparing only the arms that can be seen.
    rows, cols = np.nonzero(yellow(panel))
    if 12 < expected[0] < panel.width - 12 and 12 < expected[1] < max(60, drawn[1]) - 12:
        assert abs(cols.mean() + 0.5 - expected[0]) <= 1
        assert abs(rows.mean() + 0.5 - expected[1]) <= 1
    else:
        assert len(rows) > 0


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (255, 225, 25)])
def test_a_dark_outline_parts_the_cross_from_any_ground(ground: tuple[int, int, int]) -> None:
    image = draw_panels(flat(400, 300, ground), bumps(400, 300, [(200, 150)], names=["x"]))[0]
    line = np.asarray(image).astype(int).sum(axis=2)[180]  # through the middle of the cross at 240
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


def test_raw_maps_go_through_the_logistic() -> None:
    fused = bumps(400, 300, [(200, 150)])
    raw = np.log(np.clip(fused.maps, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(fused.maps, 1e-6, 1 - 1e-6))
    paper = dataclasses.replace(fused, maps=raw.astype(np.float32), mode="paper")
    one, other = (np.asarray(draw_panels(flat(400, 300), each)[1]).astype(int) for each in (fused, paper))
    assert np.abs(one - other).max() <= 2


def test_a_raw_map_full_of_sure_windows_still_shows_the_surest() -> None:
    localization = bumps(400, 300, [(300, 100)], mode="paper")
    # From 8 to 17: the logistic of all of it is 1.
    localization = dataclasses.replace(localization, maps=8 + 10 * localization.maps)
    panel = np.asarray(draw_panels(flat(400, 300), localization)[1]).astype(int)
    ratio = panel.shape[1] / 400
    at_the_point, beside, far = (panel[round(100 * ratio) + 20, round(x * ratio)] for x in (300, 262, 40))
    assert np.abs(at_the_point - beside).sum() > 60
    assert np.abs(beside - far).sum() > 60


def test_boxes_are_green_on_their_own_panels() -> None:
    localization = bumps(400, 200, [(100, 100), (300, 100)], names=["cat", "dog"])
    boxes = [("cat", (50.0, 50.0, 150.0, 150.0)), ("dog", (260.0, 40.0, 400.0, 200.0))]
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


# --- which panels -----------------------------------------------------------------------------------------


def test_one_panel_per_present_class_most_probable_first() -> None:
    localization = bumps(100, 80, [(20, 20), (50, 50), (80, 60)], names=["a", "b", "c"])
    localization = dataclasses.replace(localization, scores=np.array([-2.0, 1.0, 2.0], np.float32))
    image = flat(100, 80)
    assert len(draw_panels(image, localization)) == 3
    assert len(draw_panels(image, localization, threshold=0.8)) == 2
    assert len(draw_panels(image, localization, limit=1)) == 2
    assert len(draw_panels(image, localization, classes=["a"])) == 2
    ordered = draw_panels(image, localization)
    named = draw_panels(image, localization, classes=["c", "b"])
    assert all(np.array_equal(one, other) for one, other in zip(ordered, named, strict=True))


def test_no_present_class_is_said_in_the_caption() -> None:
    localization = bumps(100, 80, [(20, 20)], score=-4)
    image = flat(100, 80)
    none_at_half = draw_panels(image, localization)
    assert len(none_at_half) == 1
    none_at_ninety = draw_panels(image, localization, threshold=0.9)
    assert np.array_equal(np.asarray(none_at_half[0])[:360], np.asarray(none_at_ninety[0])[:360])
    assert not np.array_equal(none_at_half[0], none_at_ninety[0])
    assert not yellow(none_at_half[0]).any()


@pytest.mark.parametrize("name", ["2008_003088_with_a_long_name.jpg", "a.jpg"])
def test_a_narrow_caption_is_not_cut(name: str) -> None:
    localization = dataclasses.replace(bumps(120, 900, [(60, 400)], score=-3.0), path=Path(name))
    panel = draw_panels(flat(120, 900), localization)[0]
    caption = np.asarray(panel)[360:].astype(int).sum(axis=2)
    ground = caption[0, 0]
    assert (caption[:, -2:] == ground).all()
    # Both the name and the note are there: letters of both brightnesses.
    assert caption[:, :60].max() > 700
    assert (caption[:, 75:] != ground).any()


def test_unknown_classes_and_wrong_images_are_refused() -> None:
    localization = bumps(100, 80, [(20, 20)])
    with pytest.raises(ConfigurationError, match="class 'unicorn' is unknown"):
        draw_overlay(flat(100, 80), localization, classes=["unicorn"])
    for wrong in (flat(80, 100), flat(100, 80)[..., 0], flat(100, 80).astype(np.float32)):
        with pytest.raises(ValueError, match="image"):
            draw_overlay(wrong, localization)


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
    assert whole.width <= overlay.ROW_WIDTH
    assert (image == 90).all()


def test_numbers_that_are_none_draw_no_cross() -> None:
    localization = bumps(100, 80, [(20, 20), (60, 40)])
    nothing = np.full_like(localization.maps, np.nan)
    localization = dataclasses.replace(localization, maps=nothing, points=np.full((2, 2), np.nan))
    panels = draw_panels(flat(100, 80), localization)
    assert len(panels) == 3
    assert not any(yellow(panel).any() for panel in panels)


def test_rows_are_filled_evenly() -> None:
    panel = (540, 400)
    assert [overlay._even_columns(count, panel[0]) for count in (1, 2, 3, 4, 5, 6, 7)] == [
        1,
        2,
        3,
        2,
        3,
        3,
        3,
    ]
    assert overlay._even_columns(3, 5000) == 1


# --- colours ----------------------------------------------------------------------------------------------


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB colours, from the definition."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)


def test_lightness_rises_evenly_with_the_score() -> None:
    steps = np.diff(lightness(overlay.colour_of(np.linspace(0, 1, 33))))
    assert (steps > 0).all()
    coarse = np.diff(lightness(overlay.colour_of(np.linspace(0, 1, 9))))
    assert coarse.max() / coarse.min() < 1.25


def test_control_colours_are_met_and_the_ends_held() -> None:
    controls = np.linspace(0, 1, len(overlay.COLOURS))
    assert overlay.colour_of(controls).tolist() == [list(colour) for colour in overlay.COLOURS]
    assert overlay.colour_of([-3.0, 7.0]).tolist() == [list(overlay.COLOURS[0]), list(overlay.COLOURS[-1])]
    assert overlay.colour_of(np.zeros((2, 3))).shape == (2, 3, 3)
    assert overlay.colour_of(0.5).shape == (3,)


# --- letters ----------------------------------------------------------------------------------------------


@given(st.text(max_size=60), st.integers(12, 28), st.integers(60, 400))
@settings(max_examples=80, deadline=None)
def test_any_name_fits(name: str, size: int, width: int) -> None:
    words, font = fonts.fitted(name, size, width)
    assert font.getlength(words) <= width
    assert "\n" not in words


@pytest.mark.parametrize("name", ["dog", "Straße", "собака", "狗", "un chat très très petit", "", "x" * 3000])
def test_any_name_is_drawn(name: str) -> None:
    localization = bumps(60, 90, [(30, 40)], names=[name])
    panels = draw_panels(flat(60, 90), localization)
    caption = np.asarray(panels[1])[-25:]
    assert (caption > 150).any()


def test_letters_that_no_font_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_OTHER_FONTS", ("no such font.ttf",))
    assert fonts._writable("café 狗", 16)[0] == "cafe U+72D7"
    assert fonts._writable("cafe", 16)[0] == "cafe"


def test_a_pillow_without_scalable_fonts_still_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_default(size: float | None = None) -> ImageFont.ImageFont:
        if size is not None:
            raise ImportError("The _imagingft C module is not installed")
        return ImageFont.load_default_imagefont()

    monkeypatch.setattr(ImageFont, "load_default", load_default)
    monkeypatch.setattr(fonts, "_OTHER_FONTS", ())
    fonts._own_font.cache_clear()
    try:
        localization = bumps(60, 90, [(30, 40)], names=["chat très petit"])
        assert (np.asarray(draw_panels(flat(60, 90), localization)[1])[-25:] > 150).any()
    finally:
        fonts._own_font.cache_clear()


# --- grids and files --------------------------------------------------------------------------------------


@given(
    sizes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=9),
    columns=st.integers(1, 5),
    gap=st.integers(0, 9),
)
@settings(deadline=None)
def test_a_grid_holds_every_picture_whole(sizes: list[tuple[int, int]], columns: int, gap: int) -> None:
    pictures = [Image.new("RGB", size, (index + 1, 0, 0)) for index, size in enumerate(sizes)]
    page = np.asarray(draw_grid(pictures, columns, gap=gap, ground=(0, 0, 255)))
    for index, (width, height) in enumerate(sizes):
        rows, cols = np.nonzero((page == (index + 1, 0, 0)).all(axis=2))
        assert len(rows) == width * height
        assert (np.ptp(cols) + 1, np.ptp(rows) + 1) == (width, height)
    assert (page == (0, 0, 255)).all(axis=2).sum() + sum(w * h for w, h in sizes) == page.shape[
        0
    ] * page.shape[1]


def test_a_grid_needs_pictures_and_columns() -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw_grid([], 2)
    with pytest.raises(ValueError, match="at least one"):
        draw_grid([Image.new("RGB", (1, 1))], 0)


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".png", "PNG"), (".JPG", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")]
)
def test_the_ending_gives_the_format(tmp_path: Path, suffix: str, kind: str) -> None:
    picture = draw_overlay(flat(60, 40), bumps(60, 40, [(30, 20)]))
    path = tmp_path / "new" / f"out{suffix}"
    save_image(picture, path)
    with Image.open(path) as read:
        assert read.format == kind
    assert np.abs(load_image(path).astype(int) - np.asarray(picture).astype(int)).mean() < 3
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_picture_with_alpha_can_be_a_jpeg(tmp_path: Path) -> None:
    save_image(Image.new("RGBA", (4, 4), (255, 0, 0, 255)), tmp_path / "a.jpg")
    assert load_image(tmp_path / "a.jpg")[0, 0, 0] > 200


def test_formats_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png, \.jpg or \.webp"):
        save_image(Image.new("RGB", (4, 4)), tmp_path / "out.xyz")
    with pytest.raises(OutputError, match=r"ends in \.png"):
        save_image(Image.new("RGB", (20_000, 1)), tmp_path / "out.webp")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        save_image(Image.new("RGB", (4, 4)), tmp_path / "folder.png")
    assert [each.name for each in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.images
def test_a_real_image(voc_root: Path) -> None:
    path = min((voc_root / "JPEGImages").glob("2008_*.jpg"))
    image = load_image(path)
    height, width = image.shape[:2]
    localization = dataclasses.replace(bumps(width, height, [(width / 2, height / 2)]), path=path)
    assert draw_overlay(image, localization).width > 300
