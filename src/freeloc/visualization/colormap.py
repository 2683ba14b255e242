"""The colormap of score maps."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from freeloc._typing import Uint8Array
from freeloc.visualization.palette import Color

__all__ = ["CONTROL_COLORS", "apply_colormap"]

CONTROL_COLORS: Final[tuple[Color, ...]] = (
    (12, 8, 38),
    (40, 17, 89),
    (81, 18, 124),
    (121, 34, 130),
    (163, 48, 126),
    (205, 64, 113),
    (238, 91, 94),
    (251, 135, 97),
    (254, 180, 123),
)
"""Colors of evenly spaced values from 0 to 1; their perceived lightness (CIE L*) increases in equal steps."""


def apply_colormap(values: npt.ArrayLike) -> Uint8Array:
    """Return the colors of values between 0 and 1, interpolated linearly between `CONTROL_COLORS`.

    Args:
        values: array of any shape (...,); values outside the range get the color of the nearest end.

    Returns:
        (..., 3) uint8 RGB.
    """
    values, positions = np.asarray(values, np.float64), np.linspace(0, 1, len(CONTROL_COLORS))
    channels = [np.interp(values, positions, channel) for channel in zip(*CONTROL_COLORS, strict=True)]
    colors: Uint8Array = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return colors
