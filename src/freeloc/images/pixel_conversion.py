"""Convert any pixel format to RGB with 8 bits per channel.

* Transparent images are composited over white. An image that is transparent everywhere would be white, so its
  transparency is ignored, and a warning is logged: some programs leave an unused alpha channel at zero.
* Palette, gray and black-and-white images become RGB.
* CMYK and YCCK images are converted with Pillow's simple formula. Adobe JPEGs store inverted values, which are
  inverted back first. Embedded color profiles are not applied, because the networks were trained without them.
* 16-bit gray is scaled so that 65535 is white, and 12-bit gray so that 4095 is. For color with 16 bits per
  channel, only the high byte is kept.
* In float gray, white is the smallest of 1, 255 and 65535 that no value of the image exceeds; in 32-bit integer
  gray, it is 65535; in signed gray of 8 or 16 bits, it is 127 or 32767. If any value is negative or larger than
  65535, the image's smallest value becomes black and its largest becomes white. NaN becomes black.
* Floating-point color, which only arrays contain, has the same white. It is refused if any value is negative or
  larger than 65535, or if the largest is above 1 or 255 by at most as much again: it is unclear what such values
  mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from freeloc._log import get_logger
from freeloc._typing import Uint8Array
from freeloc.errors import ImageError, ImageValueError
from freeloc.images.decode_errors import SEVERAL, check_size, image_error
from freeloc.images.tiff_reader import TiffReader

__all__ = ["array_to_rgb", "image_to_rgb"]

_log = get_logger(__name__)

_WHITE = (255, 255, 255)

_CHANNELS = (1, 3, 4)

_FLOAT_WHITES = (1.0, 255.0, 65535.0)
"""The values that can be white in a floating-point image."""

_MAX_WARNINGS = 20
"""Maximum number of wholly transparent images that are named in the log."""

_transparent_images: set[str] = set()


def image_to_rgb(image: Image.Image, name: Path | str) -> Image.Image:
    """Convert a decoded image to mode RGB; an image that is already RGB is returned unchanged.

    Args:
        image: the image.
        name: its source, for the warning about a wholly transparent image.
    """
    if image.mode == "F" or image.mode.startswith("I") or isinstance(image, TiffReader):
        gray = _deep_gray(image, name)
        if gray is not None:
            return gray.convert("RGB")
    if image.has_transparency_data:
        layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        if layer.getchannel("A").getextrema() == (0, 0):
            _warn_of_transparency(name)
            return layer.convert("RGB")
        background = Image.new("RGB", image.size, _WHITE)
        background.paste(layer, mask=layer)
        return background
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_gray(image: Image.Image, name: Path | str) -> Image.Image | None:
    """Return a gray image of more than 8 bits, or of signed samples, as 8-bit gray; None for other images."""
    if isinstance(image, TiffReader):
        samples = image.gray_samples()
        if samples is None:
            return None
        values = _to_8_bit(samples.values, samples.white)
        return Image.fromarray(255 - values if samples.zero_is_white else values)
    deep = np.asarray(image)
    values = _to_8_bit(deep)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        mask = deep == transparent
        if mask.all():
            _warn_of_transparency(name)
        else:
            values = np.where(mask, np.uint8(255), values)
    return Image.fromarray(values)


def _warn_of_transparency(name: Path | str) -> None:
    """Log, once for each image, that its transparency is ignored."""
    key = str(name)
    if key in _transparent_images or len(_transparent_images) > _MAX_WARNINGS:
        return
    _transparent_images.add(key)
    if len(_transparent_images) > _MAX_WARNINGS:
        _log.warning("more images are wholly transparent: their transparency is ignored")
    else:
        _log.warning("%s is wholly transparent: its transparency is ignored", name)


def array_to_rgb(array: npt.NDArray[Any]) -> Uint8Array:
    """Convert an array to 8-bit RGB.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA array of bool, uint8, uint16 or float.

    Returns:
        (H, W, 3) uint8; ``array`` itself if it already has this form.

    Raises:
        ImageValueError: the array has an unsupported shape or dtype, or it is unclear which value is white.
        ImageError: the array has no pixels, or too many pixels.
    """
    shape = array.shape
    if array.ndim == 4:
        raise _refused_array(f"its shape is {shape}, so it holds several images", SEVERAL)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in _CHANNELS:
        first = array.ndim == 3 and shape[0] in _CHANNELS
        fix = (
            "call transpose(1, 2, 0) on it"
            if first
            else "pass an array of shape (H, W), (H, W, 3) or (H, W, 4)"
        )
        raise _refused_array(f"its shape is {shape}, but channels come last in an array", fix)
    if array.dtype.kind not in "bf" and not (array.dtype.kind == "u" and array.dtype.itemsize <= 2):
        raise _refused_array(f"its dtype is {array.dtype}", "convert it to uint8")
    if array.dtype.kind == "f" and array.shape[2] > 1:
        _check_color_range(array)
    check_size((array.shape[1], array.shape[0]), "the given array")
    values = np.ascontiguousarray(_to_8_bit(array))
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2)
    if values.shape[2] == 3:
        return values
    return np.array(image_to_rgb(Image.fromarray(values), "the given array"))


def _check_color_range(array: npt.NDArray[Any]) -> None:
    """Check that the values of a color image leave no doubt as to which of them is black and which is white.

    A normalized image has negative values. An image between 0 and 1 that was resized with a sharp filter slightly
    exceeds 1; as an image between 0 and 255, it would be black.

    Raises:
        ImageValueError: a value is negative or larger than 65535, or the largest is just above 1 or 255.
    """
    finite = array[np.isfinite(array)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    if low < 0 or high > _FLOAT_WHITES[-1] or any(white < high <= 2 * white for white in _FLOAT_WHITES[:-1]):
        raise _refused_array(
            f"its values are between {low:.4g} and {high:.4g}",
            "clip them to the range from 0 to 1 or from 0 to 255, before any normalization",
        )


def _refused_array(reason: str, fix: str) -> ImageError:
    return image_error("the given array", reason, fix, kind=ImageValueError)


def _to_8_bit(values: npt.NDArray[Any], white: int | None = None) -> Uint8Array:
    """Scale gray or color values to the range from 0 to 255, by the rules in the module docstring.

    Args:
        values: the values.
        white: the value of white; None for that of the data type.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2 and white is None:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    whites = _FLOAT_WHITES if values.dtype.kind == "f" else (float(white or 65535),)
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    low, high = values.min(where=finite, initial=0.0), values.max(where=finite, initial=0.0)
    if low < 0 or high > whites[-1]:
        low, high = values.min(where=finite, initial=np.inf), values.max(where=finite, initial=-np.inf)
    else:
        high = next(white for white in whites if high <= white)
    # Compute with half the span, because the full span may overflow a float.
    half_span = high / 2 - low / 2
    if not half_span > 0:
        return np.zeros(values.shape, np.uint8)
    values = np.clip(np.nan_to_num(values, nan=low, posinf=high, neginf=low), low, high)
    scaled: Uint8Array = np.rint((values / 2 - low / 2) / half_span * 255).astype(np.uint8)
    return scaled
