"""Convert any pixel format to RGB with 8 bits per channel.

* Transparent images are composited over white. Palette, gray and black-and-white images become RGB.
* CMYK and YCCK images are converted with Pillow's simple formula. Adobe JPEGs store inverted values, which are
  inverted back first. Embedded color profiles are not applied, because the networks were trained without them.
* 16-bit gray is scaled so that 65535 is white. For color with 16 bits per channel, only the high byte is kept.
* In float gray, white is the smallest of 1, 255 and 65535 that no value of the image exceeds; in 32-bit integer
  gray, it is 65535. If any value is negative or larger than 65535, the image's smallest value becomes black and
  its largest becomes white. NaN becomes black.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from freeloc._typing import Uint8Array
from freeloc.images.decode_errors import check_size, image_error

__all__ = ["array_to_rgb", "image_to_rgb"]

_WHITE = (255, 255, 255)

_PHOTOMETRIC = TiffImagePlugin.PHOTOMETRIC_INTERPRETATION


def image_to_rgb(image: Image.Image) -> Image.Image:
    """Convert a decoded image to mode RGB; an image that is already RGB is returned unchanged."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = _to_8_bit(np.asarray(image))
        if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0:
            # Zero means white in this TIFF. Pillow inverts such images only if they have at most 8 bits per pixel.
            values = 255 - values
        return Image.fromarray(values).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        background = Image.new("RGB", image.size, _WHITE)
        background.paste(layer, mask=layer)
        return background
    return image if image.mode == "RGB" else image.convert("RGB")


def array_to_rgb(array: npt.NDArray[Any]) -> Uint8Array:
    """Convert an array to 8-bit RGB.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA array of bool, uint8, uint16 or float.

    Returns:
        (H, W, 3) uint8; ``array`` itself if it already has this form.

    Raises:
        ImageError: the array has an unsupported shape or dtype, no pixels, or too many pixels.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise image_error(
            "the given array",
            f"its shape is {array.shape}",
            "pass an array of shape (H, W), (H, W, 3) or (H, W, 4)",
        )
    if array.dtype.kind not in "bf" and not (array.dtype.kind == "u" and array.dtype.itemsize <= 2):
        raise image_error("the given array", f"its dtype is {array.dtype}", "convert it to uint8")
    check_size((array.shape[1], array.shape[0]), "the given array")
    values = np.ascontiguousarray(_to_8_bit(array))
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2)
    if values.shape[2] == 3:
        return values
    return np.array(image_to_rgb(Image.fromarray(values)))


def _to_8_bit(values: npt.NDArray[Any]) -> Uint8Array:
    """Scale gray or color values to the range from 0 to 255, by the rules in the module docstring."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    whites = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
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
