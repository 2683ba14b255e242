"""The scales at which an image is processed, and their grids."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc.errors import ConfigurationError, check_choice
from freeloc.geometry.grid import CellLayout, Grid, Padding
from freeloc.geometry.size import REFERENCE_SIDE, Size

__all__ = ["TEST_SCALES", "Pyramid", "check_scales"]


TEST_SCALES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""The paper's test-time scales (section 4, "Classification")."""


@dataclass(frozen=True)
class Pyramid:
    """The scales at which an image is processed, and the padding of its canvases.

    Attributes:
        scales: the scales; at scale 1, the longest side of the image is 500 pixels.
        padding: "stride" or, as in the paper, "square".

    Raises:
        ConfigurationError: ``scales`` is empty, or contains a value outside the range from 0.02 to 20; or the
            padding is unknown.
    """

    scales: tuple[float, ...] = TEST_SCALES
    padding: Padding = "stride"

    def __post_init__(self) -> None:
        check_scales("scales", self.scales)
        check_choice("padding", self.padding, Padding)

    def grid(self, image_size: Size, scale: float, layout: CellLayout) -> Grid:
        """Return the grid of an image at one scale."""
        square = max(1, round(REFERENCE_SIDE * scale))
        ratio = square / image_size.longest
        content = Size(
            square if image_size.width == image_size.longest else max(1, round(image_size.width * ratio)),
            square if image_size.height == image_size.longest else max(1, round(image_size.height * ratio)),
        )
        canvas = Size(
            layout.padded_side(content.width, square, self.padding),
            layout.padded_side(content.height, square, self.padding),
        )
        return Grid(image_size, scale, content, canvas, layout)

    def grids(self, image_size: Size, layout: CellLayout) -> tuple[Grid, ...]:
        """Return the grids of an image, one per scale, in the order of ``scales``."""
        return tuple(self.grid(image_size, scale, layout) for scale in self.scales)


def check_scales(parameter: str, scales: tuple[float, ...]) -> None:
    """Check that there are scales, and that each is in range.

    Args:
        parameter: name of the parameter, for messages.
        scales: its value.

    Raises:
        ConfigurationError: ``scales`` is empty, or contains a value outside the range from 0.02 to 20.
    """
    if not scales:
        raise ConfigurationError(
            f"{parameter} is empty: specify at least one scale, such as 1.0", parameter=parameter
        )
    for scale in scales:
        if not 0.02 <= scale <= 20:
            raise ConfigurationError(
                f"{parameter} contains {scale:g}: specify scales between 0.02 and 20 (at scale 1, the longest "
                f"side of an image is {REFERENCE_SIDE} pixels)",
                parameter=parameter,
            )
