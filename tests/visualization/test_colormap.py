"""The colormap: its lightness increases evenly, and values are clipped at the ends."""

from __future__ import annotations

import numpy as np

from freeloc._typing import Float64Array, Uint8Array
from freeloc.visualization.colormap import CONTROL_COLORS, apply_colormap


def lightness(colors: Uint8Array) -> Float64Array:
    """CIE L* of sRGB colors, from the definition."""
    values = colors / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    luminance: Float64Array = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)


def test_lightness_rises_evenly_with_the_score() -> None:
    steps = np.diff(lightness(apply_colormap(np.linspace(0, 1, 33))))
    assert (steps > 0).all()
    coarse = np.diff(lightness(apply_colormap(np.linspace(0, 1, 9))))
    assert coarse.max() / coarse.min() < 1.25


def test_control_colors_are_met_and_the_ends_held() -> None:
    controls = np.linspace(0, 1, len(CONTROL_COLORS))
    assert apply_colormap(controls).tolist() == [list(color) for color in CONTROL_COLORS]
    assert apply_colormap([-3.0, 7.0]).tolist() == [list(CONTROL_COLORS[0]), list(CONTROL_COLORS[-1])]
    assert apply_colormap(np.zeros((2, 3))).shape == (2, 3, 3)
    assert apply_colormap(0.5).shape == (3,)
