"""Captions and names: all are visible and complete."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from freeloc.geometry.size import Size
from freeloc.inference.result import ClassLocation
from freeloc.visualization import fonts
from freeloc.visualization.labels import add_caption, draw_class_names
from freeloc.visualization.panel_layout import PanelLayout


@pytest.mark.parametrize("name", ["2008_003088_with_a_long_name.jpg", "a.jpg"])
def test_a_narrow_caption_is_not_cut(name: str) -> None:
    panel = add_caption(Image.new("RGB", (150, 360)), name, "no class reaches 0.50")
    caption = np.asarray(panel)[360:].astype(int).sum(axis=2)
    ground = caption[0, 0]
    assert (caption[:, -2:] == ground).all()
    # Both the name and the note are present, with different brightness.
    assert caption[:, :60].max() > 700
    assert (caption[:, 75:] != ground).any()


def bright(image: Image.Image) -> bool:
    return bool((np.asarray(image) > 150).any())


def class_names(*names: str) -> Image.Image:
    panel = Image.new("RGB", (160, 120))
    locations = [ClassLocation(name, 1.0, 0.7, 30.0, 40.0, 0.9) for name in names]
    draw_class_names(panel, PanelLayout.fit(Size(160, 120), 120), locations)
    return panel


@pytest.mark.parametrize("name", ["dog", "Straße", "собака", "狗", "un chat très très petit", "", "x" * 3000])
def test_any_name_is_drawn(name: str) -> None:
    assert bright(add_caption(Image.new("RGB", (150, 90)), name, "0.95").crop((0, 90, 150, 115)))
    assert bright(class_names(name)) == bool(name)


def test_names_of_one_place_stand_side_by_side() -> None:
    one, two = (
        np.asarray(class_names(*names)).astype(int).sum(axis=2) > 400 for names in (["cat"], ["cat"] * 2)
    )
    assert abs(two.sum() - 2 * one.sum()) <= 0.1 * one.sum()


def test_a_point_that_is_nan_has_no_name() -> None:
    panel = Image.new("RGB", (160, 120))
    nowhere = ClassLocation("cat", 1.0, 0.7, float("nan"), float("nan"), 0.9)
    draw_class_names(panel, PanelLayout.fit(Size(160, 120), 120), [nowhere])
    assert not bright(panel)


def test_a_pillow_without_scalable_fonts_still_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_default(size: float | None = None) -> ImageFont.ImageFont:
        if size is not None:
            raise ImportError("The _imagingft C module is not installed")
        return ImageFont.load_default_imagefont()

    monkeypatch.setattr(ImageFont, "load_default", load_default)
    fonts._default_font.cache_clear()
    fonts._font_files_of.cache_clear()
    try:
        caption = add_caption(Image.new("RGB", (150, 90)), "chat très petit", "0.95").crop((0, 90, 150, 115))
        assert bright(caption)
        assert bright(class_names("chat très petit"))
    finally:
        fonts._default_font.cache_clear()
        fonts._font_files_of.cache_clear()
