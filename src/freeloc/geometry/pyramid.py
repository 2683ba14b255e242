"""The scales at which an image is processed, and their grids."""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeloc._literals import Padding, Resize
from freeloc.errors import ConfigurationError, check_choice
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.size import REFERENCE_SIDE, Size

__all__ = ["TEST_SCALES", "Pyramid", "Resize", "check_scales"]


TEST_SCALES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""The paper's test-time scales (section 4, "Classification")."""


@dataclass(frozen=True)
class Pyramid:
    """The scales at which an image is processed, and how its canvases are made.

    Attributes:
        scales: the scales; at scale 1, the longest side of the image is 500 pixels.
        padding: "stride", or "square" or "paper" for the paper's squares; see `freeloc._literals.Padding`.
        resize: "once" or "paper"; see `freeloc._literals.Resize`.

    Raises:
        ConfigurationError: ``scales`` is empty, or contains a value outside the range from 0.02 to 20; or the
            padding or the way of resizing is unknown.
    """

    scales: tuple[float, ...] = TEST_SCALES
    padding: Padding = "stride"
    resize: Resize = "once"

    def __post_init__(self) -> None:
        check_scales("scales", self.scales)
        check_choice("padding", self.padding, Padding)
        check_choice("resize", self.resize, Resize)

    @property
    def key(self) -> str:
        """How canvases are made, as a part of file names."""
        return self.padding if self.resize == "once" else f"{self.padding}-{self.resize}"

    @property
    def decode_scale(self) -> float:
        """The scale for which the resolution of a decoded image must be sufficient."""
        return max(self.scales) if self.resize == "once" else 1.0

    def with_scales(self, scales: tuple[float, ...]) -> Pyramid:
        """Return a pyramid with other scales."""
        return replace(self, scales=scales)

    def grid(self, image_size: Size, scale: float, layout: CellLayout) -> Grid:
        """Return the grid of an image at one scale."""
        square = max(1, round(REFERENCE_SIDE * scale))
        intermediate = None if self.resize == "once" else _resized(image_size, REFERENCE_SIDE)
        content = _resized(intermediate or image_size, square)
        canvas = Size(
            layout.padded_side(content.width, square, self.padding),
            layout.padded_side(content.height, square, self.padding),
        )
        return Grid(image_size, scale, content, canvas, layout, intermediate, self.padding == "paper")

    def grids(self, image_size: Size, layout: CellLayout) -> tuple[Grid, ...]:
        """Return the grids of an image, one per scale, in the order of ``scales``."""
        return tuple(self.grid(image_size, scale, layout) for scale in self.scales)


def _resized(size: Size, longest: int) -> Size:
    """Return the size of an image whose longest side is resized to ``longest`` pixels."""
    ratio = longest / size.longest
    return Size(
        longest if size.width == size.longest else max(1, round(size.width * ratio)),
        longest if size.height == size.longest else max(1, round(size.height * ratio)),
    )


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
