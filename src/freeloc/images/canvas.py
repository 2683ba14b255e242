"""Images on canvases: what the network gets to see of an image at one scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from freeloc._typing import Uint8Array
from freeloc.geometry.grid import CellLayout, Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import REFERENCE_SIDE
from freeloc.images.decode import ImageSource, open_reduced

__all__ = ["canvases_of", "fill_canvas", "fill_canvases"]

_REDUCING_GAP = 3.0
"""Images over six times as large as their canvas are first shrunk by whole numbers (Pillow's
``reducing_gap``): a third of the time, for a difference of a quarter of a grey level on average."""

_DECODING_GAP = 2
"""JPEG files are decoded at a reduced size that is still at least so many times as large as the largest canvas
needs: the rest of the way down is antialiased as ever, and the canvas stays the same to under a grey level on
average."""


def canvases_of(
    source: ImageSource,
    pyramid: Pyramid,
    layout: CellLayout,
    pad_color: tuple[int, int, int],
    *,
    decoded_for: float | None = None,
) -> Iterator[tuple[Grid, Uint8Array]]:
    """Decode an image, once, and lay it on a canvas per scale.

    Args:
        source: the image.
        pyramid: the scales.
        layout: how the backbone lays its cells.
        pad_color: RGB colour of the padding.
        decoded_for: the scale that decides how finely a JPEG file is decoded; default: the largest of the pyramid.

    Yields:
        Grid and (canvas.height, canvas.width, 3) uint8 canvas of one scale after the other.

    Raises:
        FreelocError: the image cannot be read.
    """
    finest = math.ceil((decoded_for or max(pyramid.scales)) * REFERENCE_SIDE)
    picture, size = open_reduced(source, _DECODING_GAP * finest)
    for grid in pyramid.grids(size, layout):
        yield grid, _fill(picture, grid, pad_color)


def fill_canvas(image: Uint8Array | Image.Image, grid: Grid, pad_color: tuple[int, int, int]) -> Uint8Array:
    """Lay an image on the canvas of one scale; see `fill_canvases`."""
    return fill_canvases(image, (grid,), pad_color)[0]


def fill_canvases(
    image: Uint8Array | Image.Image, grids: Iterable[Grid], pad_color: tuple[int, int, int]
) -> list[Uint8Array]:
    """Lay an image on the canvases of several scales.

    The image is resized with Pillow's BILINEAR, whose filter widens when it shrinks. Without that
    antialiasing an image of 12 megapixels would lose nine of ten pixels unseen, and the same object would
    give other features from a large file than from a small one.

    Args:
        image: (H, W, 3) uint8 RGB or a Pillow picture of mode RGB, upright, of the size the grids were made
            for or a reduction of it by 2, 4 or 8, as JPEG decoders make it.
        grids: the canvases' parcel labels.
        pad_color: RGB colour of the padding.

    Returns:
        One (canvas.height, canvas.width, 3) uint8 array per grid: the image at the top left, cut where
        the canvas is smaller, and ``pad_color`` elsewhere.

    Raises:
        ValueError: the picture is not RGB with 8 bits, or neither of the grids' size nor a reduction of it.
    """
    if not isinstance(image, Image.Image):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"an image is (H, W, 3) uint8, not {image.shape} {image.dtype}")
        image = Image.fromarray(image)
    elif image.mode != "RGB":
        raise ValueError(f"an image is of mode RGB, not {image.mode}")
    return [_fill(image, grid, pad_color) for grid in grids]


def _fill(picture: Image.Image, grid: Grid, pad_color: tuple[int, int, int]) -> Uint8Array:
    reductions = [(-(-grid.image_size.width // n), -(-grid.image_size.height // n)) for n in (1, 2, 4, 8)]
    if picture.size not in reductions:
        raise ValueError(
            f"a grid for {grid.image_size.width}×{grid.image_size.height} pixels cannot hold an image of "
            f"{picture.width}×{picture.height}"
        )
    content = (grid.content.width, grid.content.height)
    if picture.size != content:
        picture = picture.resize(content, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    height, width = grid.canvas.height, grid.canvas.width
    pixels = np.asarray(picture)[:height, :width]
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    canvas[pixels.shape[0] :] = pad_color
    canvas[: pixels.shape[0], pixels.shape[1] :] = pad_color
    return canvas
