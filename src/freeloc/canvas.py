"""Photographs on canvases: what the network gets to see of a photograph at one scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from freeloc.geometry import REFERENCE_SIDE, CellLayout, Grid, Pyramid
from freeloc.photographs import PhotographSource, Uint8Array, open_reduced

__all__ = ["fill_canvas", "fill_canvases", "lay_out"]

_REDUCING_GAP = 3.0
"""Photographs over six times as large as their canvas are first shrunk by whole numbers (Pillow's
``reducing_gap``): a third of the time, for a difference of a quarter of a grey level on average."""

_DECODING_GAP = 2
"""JPEG files are decoded at a reduced size that is still at least so many times as large as the largest canvas
needs: the rest of the way down is antialiased as ever, and the canvas stays the same to under a grey level on
average."""


def lay_out(
    source: PhotographSource,
    pyramid: Pyramid,
    layout: CellLayout,
    fill: tuple[int, int, int],
    *,
    decoded_for: float | None = None,
) -> Iterator[tuple[Grid, Uint8Array]]:
    """Decode a photograph, once, and lay it on a canvas per scale.

    Args:
        source: the photograph.
        pyramid: the scales.
        layout: how the trunk lays its cells.
        fill: RGB colour of the padding.
        decoded_for: the scale that decides how finely a JPEG file is decoded; default: the largest of the pyramid.

    Yields:
        Grid and (canvas.height, canvas.width, 3) uint8 canvas of one scale after the other.

    Raises:
        FreelocError: the photograph cannot be read.
    """
    finest = math.ceil((decoded_for or max(pyramid.scales)) * REFERENCE_SIDE)
    picture, size = open_reduced(source, _DECODING_GAP * finest)
    for grid in pyramid.grids(size, layout):
        yield grid, _fill(picture, grid, fill)


def fill_canvas(image: Uint8Array | Image.Image, grid: Grid, fill: tuple[int, int, int]) -> Uint8Array:
    """Lay a photograph on the canvas of one scale; see `fill_canvases`."""
    return fill_canvases(image, (grid,), fill)[0]


def fill_canvases(
    image: Uint8Array | Image.Image, grids: Iterable[Grid], fill: tuple[int, int, int]
) -> list[Uint8Array]:
    """Lay a photograph on the canvases of several scales.

    The photograph is resized with Pillow's BILINEAR, whose filter widens when it shrinks. Without that
    antialiasing a photograph of 12 megapixels would lose nine of ten pixels unseen, and the same object would
    give other features from a large file than from a small one.

    Args:
        image: (H, W, 3) uint8 RGB or a Pillow picture of mode RGB, upright, of the size the grids were made
            for or a reduction of it by 2, 4 or 8, as JPEG decoders make it.
        grids: the canvases' parcel labels.
        fill: RGB colour of the padding.

    Returns:
        One (canvas.height, canvas.width, 3) uint8 array per grid: the photograph at the top left, cut where
        the canvas is smaller, and ``fill`` elsewhere.

    Raises:
        ValueError: the picture is not RGB with 8 bits, or neither of the grids' size nor a reduction of it.
    """
    if not isinstance(image, Image.Image):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"a photograph is (H, W, 3) uint8, not {image.shape} {image.dtype}")
        image = Image.fromarray(image)
    elif image.mode != "RGB":
        raise ValueError(f"a photograph is of mode RGB, not {image.mode}")
    return [_fill(image, grid, fill) for grid in grids]


def _fill(picture: Image.Image, grid: Grid, fill: tuple[int, int, int]) -> Uint8Array:
    reductions = [(-(-grid.photo.width // n), -(-grid.photo.height // n)) for n in (1, 2, 4, 8)]
    if picture.size not in reductions:
        raise ValueError(
            f"a grid for {grid.photo.width}×{grid.photo.height} pixels cannot hold a photograph of "
            f"{picture.width}×{picture.height}"
        )
    content = (grid.content.width, grid.content.height)
    if picture.size != content:
        picture = picture.resize(content, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    height, width = grid.canvas.height, grid.canvas.width
    pixels = np.asarray(picture)[:height, :width]
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    canvas[pixels.shape[0] :] = fill
    canvas[: pixels.shape[0], pixels.shape[1] :] = fill
    return canvas
