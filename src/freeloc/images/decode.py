"""Images in: decode them upright.

Every image enters the program through `load_image` (or `open_image`) and is from then on an
upright RGB picture with 8 bits a channel. What a file may hold, and what becomes of it:

* EXIF orientation (or XMP's, or the eXIf chunk of a PNG wherever it stands) is applied.
* Transparency is laid over white. A palette, grey or black-and-white picture becomes RGB.
* CMYK and YCCK become RGB by Pillow's plain formula (Adobe's inverted JPEG values are turned first). Embedded
  colour profiles are not applied: the networks were trained without them.
* 16-bit grey is scaled so that 65535 is white; colour with 16 bits a channel keeps the high byte.
* 32-bit integer and float grey: the smallest of 1 (float only), 255 (float only) and 65535 that no value
  passes is white; with larger or with negative values the picture's own range becomes black to white. NaN is
  black.
* An animation or a file of several pages gives its first picture.
"""

from __future__ import annotations

import math
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from freeloc._typing import Uint8Array
from freeloc.errors import FreelocError
from freeloc.geometry.size import Size

__all__ = [
    "MAX_PIXELS",
    "ImageSource",
    "load_image",
    "open_image",
    "open_reduced",
    "read_image_size",
]


ImageSource = str | Path | Image.Image | npt.NDArray[Any]
"""A file name, a Pillow picture or an array; see `load_image`."""

MAX_PIXELS = 500_000_000
"""An image with more pixels is refused: decoded it would take gigabytes."""

# Pillow reads more kinds, but some start other programs (EPS) or have no signature to know them by (TGA).
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")

_NOT_THIS_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)
# fmt: off
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, struct.error, zlib.error,
)
# fmt: on
"""What Pillow's decoders raise on bytes they did not expect."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of each EXIF orientation upright; 5 to 8 swap width and height."""

_WHITE = (255, 255, 255)

_PHOTOMETRIC = TiffImagePlugin.PHOTOMETRIC_INTERPRETATION


def load_image(source: ImageSource) -> Uint8Array:
    """Decode one image.

    Args:
        source: a file; or a Pillow picture (its EXIF orientation is applied); or an array (H, W), (H, W, 1),
            (H, W, 3) RGB or (H, W, 4) RGBA of bool, uint8, uint16 or float. Floats are read by the rule for
            float pictures above.

    Returns:
        (H, W, 3) uint8 RGB, upright. An array that is already so is returned as it is, without a copy.

    Raises:
        FreelocError: the file is missing, no picture, damaged or cut short, or has more than `MAX_PIXELS`
            pixels; or the array is of another kind.
    """
    if isinstance(source, np.ndarray):
        return _array_to_rgb(source)
    return np.array(open_image(source))


def open_image(source: ImageSource) -> Image.Image:
    """Decode one image to a Pillow picture; as `load_image`, without a copy to an array.

    Returns:
        An upright picture of mode RGB, which no longer needs the file. It is ``source`` itself when nothing
        had to be done.

    Raises:
        FreelocError: as `load_image`.
    """
    return open_reduced(source, None)[0]


def open_reduced(source: ImageSource, longest: int | None) -> tuple[Image.Image, Size]:
    """Decode one image, no finer than needed where its format allows that for nothing.

    A JPEG can be decoded at a half, a quarter or an eighth of its size, straight from its cosine coefficients: an
    image of 100 megapixels then takes a fraction of the time and a sixteenth of the memory.

    Args:
        source: as in `load_image`; only files are ever reduced.
        longest: pixels of the longest side that are wanted; the picture is never smaller. None: all there are.

    Returns:
        An upright picture of mode RGB, and the size of the upright original image.

    Raises:
        FreelocError: as `load_image`.
    """
    if isinstance(source, np.ndarray):
        picture = Image.fromarray(_array_to_rgb(source))
        return picture, Size(*picture.size)
    if isinstance(source, Image.Image):
        _check_size(source.size, "the given picture")
        picture = _decoded(source, "the given picture")
        return picture, Size(*picture.size)
    if not isinstance(source, str | os.PathLike) or not str(source):
        what = "an empty name" if isinstance(source, str) else f"a {type(source).__name__}"
        raise FreelocError(f"{what} is no image: give a file's name, a Pillow picture or an array")
    with _opened(Path(source)) as image:
        _make_room(image)
        if longest is None or not isinstance(image, JpegImagePlugin.JpegImageFile):
            picture = _decoded(image, str(source))
            return picture, Size(*picture.size)
        width, height = image.size
        share = min(1.0, longest / max(width, height))
        # Takes the largest reduction that leaves as many pixels as asked for.
        image.draft(None, (math.ceil(width * share), math.ceil(height * share)))
        picture = _decoded(image, str(source))
        return picture, Size(height, width) if _orientation(image) >= 5 else Size(width, height)


def read_image_size(path: str | Path) -> Size:
    """Size of the upright image, from the file's header: no pixel is decoded.

    Raises:
        FreelocError: as `load_image`; a file cut short behind its header is not noticed.
    """
    with _opened(Path(path)) as image:
        width, height = _stored_size(image)
        turned = _header_orientation(image) >= 5
    return Size(height, width) if turned else Size(width, height)


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """The picture in a file, not yet decoded; the file is closed on leaving."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FreelocError(f"{path} is a folder, not an image: name a file in it")
        if not stat.S_ISREG(mode):
            raise FreelocError(f"{path} is a device or a pipe, not an image: name a file")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise FreelocError(f"there is no image {path}: check the name") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FreelocError(f"cannot read {path}: {reason}; check its name and permissions") from error
    with file:
        yield _identified(file, str(path))


def _identified(file: IO[bytes], name: str) -> ImageFile.ImageFile:
    """Open a picture without Pillow's limit on its size.

    ``Image.open`` warns at 89 and refuses at 179 megapixels, and the limit is a global of the process. The
    formats' own readers are asked here in its stead, and the size is held against `MAX_PIXELS`.
    """
    try:
        prefix = file.read(16)
        if not prefix:
            raise FreelocError(f"{name} is empty (0 bytes): replace it or leave it out")
        image = _first_match(file, prefix)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except _DAMAGE as error:
        raise _damaged(name, error) from error
    if image is None:
        raise FreelocError(
            f"{name} is no picture that freeloc can read: convert it to JPEG or PNG, or leave it out"
        )
    _check_size(image.size, name)
    return image


def _first_match(file: IO[bytes], prefix: bytes) -> ImageFile.ImageFile | None:
    misfit: Exception | None = None
    for prepare in (Image.preinit, Image.init):
        prepare()
        for name in _FORMATS:
            factory, accept = Image.OPEN.get(name, (None, None))
            if factory is None or accept is None or accept(prefix) is not True:
                continue
            file.seek(0)
            try:
                return factory(file, "")
            except _NOT_THIS_FORMAT as error:
                misfit = error
    if misfit is not None:
        raise misfit
    return None


def _decoded(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
        orientation = _orientation(image)
        image = _to_rgb(image)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except _DAMAGE as error:
        raise _damaged(name, error) from error
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _check_size(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _too_large(name)
    if min(size) < 1:
        raise FreelocError(f"{name} has no pixels: replace it or leave it out")


def _too_large(name: str) -> FreelocError:
    return FreelocError(
        f"{name} is larger than the {MAX_PIXELS / 1e6:.0f} megapixels freeloc reads: make it smaller"
    )


def _damaged(name: str, error: Exception) -> FreelocError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return FreelocError(
        f"{name} cannot be decoded ({reason}): it is damaged, cut short or of an unusual kind; save it "
        "anew as JPEG or PNG, or leave it out"
    )


def _make_room(image: ImageFile.ImageFile) -> None:
    # Pillow's TIFF reader holds the size against the global limit when it makes the pixels.
    limit = Image.MAX_IMAGE_PIXELS
    if isinstance(image, TiffImagePlugin.TiffImageFile) and limit is not None:
        width, height = _stored_size(image)
        if width * height > limit:
            image.im = Image.new(image.mode, (width, height), None).im


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as stored; newer versions of Pillow give TIFF files' upright size instead."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    return image.size


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where the picture has none or its EXIF cannot be read."""
    try:
        # PNG's own getexif would decode the pixels first.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except _DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _header_orientation(image: ImageFile.ImageFile) -> int:
    if isinstance(image, PngImagePlugin.PngImageFile) and image.fp is not None:
        with suppress(*_DAMAGE):
            image = PngImagePlugin.PngImageFile(BytesIO(_png_without_pixels(image.fp)))
    return _orientation(image)


def _png_without_pixels(file: IO[bytes]) -> bytes:
    """A PNG's chunks without the pixels, so that an eXIf chunk behind them is read like one before them."""
    file.seek(0)
    kept = [file.read(8)]
    pixels_seen = False
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND" or (kind == b"fcTL" and pixels_seen):
            break
        if kind in (b"IDAT", b"fdAT"):
            pixels_seen = True
            file.seek(length + 4, os.SEEK_CUR)
        else:
            kept.append(head + file.read(length + 4))
    empty = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    return b"".join((*kept, empty))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0:
            # Pillow turns such pictures only where they have 8 bits or fewer.
            return Image.fromarray(255 - _to_bytes(values)).convert("RGB")
        return Image.fromarray(_to_bytes(values)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGB", image.size, _WHITE)
        ground.paste(layer, mask=layer)
        return ground
    return image if image.mode == "RGB" else image.convert("RGB")


def _array_to_rgb(array: npt.NDArray[Any]) -> Uint8Array:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise FreelocError(
            f"an array of shape {array.shape} is no image: give (H, W), (H, W, 3) or (H, W, 4)"
        )
    if array.dtype.kind not in "bf" and not (array.dtype.kind == "u" and array.dtype.itemsize <= 2):
        raise FreelocError(f"an array of {array.dtype} is no image: convert it to uint8")
    _check_size((array.shape[1], array.shape[0]), "the given array")
    values = np.ascontiguousarray(_to_bytes(array))
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2)
    if values.shape[2] == 3:
        return values
    layer = Image.fromarray(values)
    return np.array(_to_rgb(layer))


def _to_bytes(values: npt.NDArray[Any]) -> Uint8Array:
    """Any grey or colour values as 0 to 255, by the rules at the top of this module."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    whites = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    values = values.astype(np.float64)
    known = np.isfinite(values)
    low, high = values.min(where=known, initial=0.0), values.max(where=known, initial=0.0)
    if low < 0 or high > whites[-1]:
        low, high = values.min(where=known, initial=np.inf), values.max(where=known, initial=-np.inf)
    else:
        high = next(white for white in whites if high <= white)
    # Halves, for the whole span of two large numbers may be too large for a float.
    span = high / 2 - low / 2
    if not span > 0:
        return np.zeros(values.shape, np.uint8)
    values = np.clip(np.nan_to_num(values, nan=low, posinf=high, neginf=low), low, high)
    scaled: Uint8Array = np.rint((values / 2 - low / 2) / span * 255).astype(np.uint8)
    return scaled
