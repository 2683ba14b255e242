"""Make canvases, the network's input: images resized to one scale and padded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from freeloc._typing import Uint8Array
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import REFERENCE_SIDE, Size
from freeloc.images.decode import ImageSource, open_reduced

__all__ = ["REDUCING_GAP", "load_canvases", "load_for_scale", "make_canvas", "make_canvases"]

REDUCING_GAP = 3.0
"""Pillow's ``reducing_gap``: an image whose sides are more than six times as long as those of its canvas is first
reduced by an integer factor. This reduces the resizing time to a third, and changes the result by a quarter of a
gray level on average."""

_DECODING_GAP = 2
"""A JPEG is decoded at a reduced size whose longest side is still at least this many times that of the largest
canvas. The remaining reduction is antialiased, so decoding at a reduced size changes the canvas by less than one
gray level on average."""


def load_canvases(
    source: ImageSource,
    pyramid: Pyramid,
    layout: CellLayout,
    pad_color: tuple[int, int, int],
    *,
    decode_scale: float | None = None,
) -> Iterator[tuple[Grid, Uint8Array]]:
    """Decode an image once, and yield its canvas at each scale.

    Args:
        source: the image.
        pyramid: the scales.
        layout: the backbone's layout of cells.
        pad_color: RGB color of the padding.
        decode_scale: the largest scale for which the resolution of a decoded JPEG must be sufficient; default:
            that of the pyramid.

    Yields:
        The grid and the (canvas.height, canvas.width, 3) uint8 canvas of each scale, in the pyramid's order.

    Raises:
        ImageError: the image cannot be read.
    """
    image, size = load_for_scale(source, decode_scale or pyramid.decode_scale)
    for grid in pyramid.grids(size, layout):
        yield grid, _make(image, grid, pad_color)


def load_for_scale(source: ImageSource, scale: float) -> tuple[Image.Image, Size]:
    """Decode an image at a resolution sufficient for its canvases at ``scale`` and all smaller scales.

    Args:
        source: the image.
        scale: the largest scale.

    Returns:
        The upright image in mode RGB (a large JPEG is reduced by a factor of 2, 4 or 8), and the size of the
        upright original image.

    Raises:
        ImageError: the image cannot be read.
    """
    return open_reduced(source, _DECODING_GAP * math.ceil(scale * REFERENCE_SIDE))


def make_canvas(image: Uint8Array | Image.Image, grid: Grid, pad_color: tuple[int, int, int]) -> Uint8Array:
    """Return the canvas of an image at one scale; see `make_canvases`."""
    return make_canvases(image, (grid,), pad_color)[0]


def make_canvases(
    image: Uint8Array | Image.Image, grids: Iterable[Grid], pad_color: tuple[int, int, int]
) -> list[Uint8Array]:
    """Return the canvases of an image at several scales.

    The image is resized with Pillow's BILINEAR filter, whose support grows with the reduction factor. Without
    this antialiasing, nine out of ten pixels of a 12-megapixel image would be ignored, and an object's features
    would depend on the resolution of the file.

    Args:
        image: the upright image, an (H, W, 3) uint8 RGB array or a Pillow image of mode RGB. Its size must equal
            the grids' ``image_size``, or, as for a JPEG decoded at a reduced size, that size divided by 2, 4 or 8
            and rounded up.
        grids: one grid per scale.
        pad_color: RGB color of the padding.

    Returns:
        For each grid, a (canvas.height, canvas.width, 3) uint8 array with the image at the top left, cropped if
        the canvas is smaller, and ``pad_color`` elsewhere.

    Raises:
        ValueError: the image is not 8-bit RGB, or its size does not match a grid.
    """
    if not isinstance(image, Image.Image):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
        image = Image.fromarray(image)
    elif image.mode != "RGB":
        raise ValueError(f"image must be of mode RGB, got mode {image.mode}")
    return [_make(image, grid, pad_color) for grid in grids]


def _make(image: Image.Image, grid: Grid, pad_color: tuple[int, int, int]) -> Uint8Array:
    reductions = [(-(-grid.image_size.width // n), -(-grid.image_size.height // n)) for n in (1, 2, 4, 8)]
    if image.size not in reductions:
        raise ValueError(
            f"the grid is for an image of {grid.image_size.width}×{grid.image_size.height} pixels, "
            f"got an image of {image.width}×{image.height}"
        )
    if grid.intermediate is not None:
        image = _resize(image, grid.intermediate)
    image = _resize(image, grid.content)
    height, width = grid.canvas.height, grid.canvas.width
    pixels = np.asarray(image)[:height, :width]
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    canvas[pixels.shape[0] :] = pad_color
    canvas[: pixels.shape[0], pixels.shape[1] :] = pad_color
    return canvas


def _resize(image: Image.Image, size: Size) -> Image.Image:
    if image.size == (size.width, size.height):
        return image
    return image.resize((size.width, size.height), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
