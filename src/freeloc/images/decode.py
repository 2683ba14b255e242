"""Decode images to upright RGB.

All images are decoded by this module. It applies the EXIF orientation (`freeloc.images.exif_orientation`) and
converts the pixels to 8-bit RGB (`freeloc.images.pixel_conversion`). It decodes only the first frame of an
animation and the first page of a multi-page file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, JpegImagePlugin

from freeloc._typing import Uint8Array
from freeloc._validation import describe_value
from freeloc.errors import ConfigurationError, ImageValueError
from freeloc.geometry.orientation import swaps_sides
from freeloc.geometry.size import Size
from freeloc.images.decode_errors import DECODER_ERRORS, check_size, decoding_failed, image_error
from freeloc.images.exif_orientation import apply_orientation, read_orientation
from freeloc.images.hashed_image import HashedImage, open_hashed_image
from freeloc.images.identify import header_size, identify, lift_tiff_limit, open_file
from freeloc.images.pixel_conversion import array_to_rgb, image_to_rgb
from freeloc.images.tensors import Tensor, is_tensor, tensor_to_array
from freeloc.images.video_frame import VideoFrame
from freeloc.io.folders import expand_user
from freeloc.io.library_warnings import silence_warnings
from freeloc.io.limits import check_resources

__all__ = [
    "EncodedImage",
    "ImageSource",
    "check_image_list",
    "decode_reduced",
    "is_image_list",
    "load_image",
    "open_image",
    "open_reduced",
    "read_image_size",
]


EncodedImage: TypeAlias = str | Path | HashedImage | bytes | IO[bytes]
"""An image file, given as its path (with or without the hash that its content must have), its content, or the file
itself opened in binary mode."""

ImageSource: TypeAlias = EncodedImage | VideoFrame | Image.Image | npt.NDArray[Any] | Tensor
"""Anything that `load_image` decodes: an `EncodedImage`, a frame of a video, a Pillow image, an array or a torch
tensor."""


def is_image_list(value: object) -> bool:
    """Return whether a value is a list or another iterable of images, and not a single image."""
    return isinstance(value, Iterable) and not _is_image(value) and len(getattr(value, "shape", (0,))) > 0


def check_image_list(images: object) -> None:
    """Check that a parameter ``images`` is a list or another iterable of images, and not a single image.

    Raises:
        ConfigurationError: it is a single image, or not iterable.
    """
    if _is_image(images):
        raise ConfigurationError(
            "images is a single image: pass it to the method for one image, or put it in a list",
            parameter="images",
        )
    if not is_image_list(images):
        raise ConfigurationError(
            f"images is {describe_value(images)}: it must be a list or another iterable of images",
            parameter="images",
        )


def _is_image(value: object) -> bool:
    # An array with two or three axes is one image, and its rows are none; with four, it is a batch of images.
    axes = len(getattr(value, "shape", (0,)))
    encoded = (str, bytes, bytearray, memoryview, os.PathLike, HashedImage, VideoFrame, Image.Image)
    return isinstance(value, encoded) or hasattr(value, "read") or axes in (2, 3)


def _as_array(source: ImageSource) -> EncodedImage | Image.Image | npt.NDArray[Any]:
    """Return a tensor as an array, a frame of a video as a Pillow image, and any other source unchanged."""
    if is_tensor(source):
        return tensor_to_array(source)
    if isinstance(source, VideoFrame):
        return source.convert()
    return source  # type: ignore[return-value]  # no tensor is left


def load_image(source: ImageSource) -> Uint8Array:
    """Decode an image to an array.

    Args:
        source: one of

            * the path of a file, or a `freeloc.images.hashed_image.HashedImage`;
            * the content of a file, as bytes;
            * a file opened in binary mode, which is read from its current position to its end and left open;
            * a frame of a video, from `freeloc.images.video.read_frames`;
            * a Pillow image, whose EXIF orientation is applied;
            * an upright NumPy array of shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA and dtype bool,
              uint8, uint16 or float. `freeloc.images.pixel_conversion` defines which float value is white: 1, 255
              or 65535. OpenCV's arrays are BGR; pass ``array[..., ::-1]``;
            * an upright torch tensor of shape (H, W), (1, H, W), (3, H, W) RGB or (4, H, W) RGBA, on any device,
              of the same data types, with floating-point values between 0 and 1.

    Returns:
        The upright image as (H, W, 3) uint8 RGB. An array that already has this form is returned without copying.

    Raises:
        MissingImageError: the file does not exist.
        ImageValueError: the source is none of these, or it is unclear what the values of an array or a tensor
            mean.
        ImageError: the file is damaged, truncated, not an image, or has more than
            `freeloc.images.decode_errors.MAX_PIXELS` pixels.
        ResourceError: there is not enough memory for the pixels.
    """
    known = _as_array(source)
    try:
        return array_to_rgb(known) if isinstance(known, np.ndarray) else np.array(open_image(known))
    except MemoryError as error:
        check_resources(error)
        raise


def open_image(source: ImageSource) -> Image.Image:
    """Decode an image to a Pillow image.

    Args:
        source: an image; see `load_image`.

    Returns:
        The upright image in mode RGB, fully loaded, so the file may be closed; ``source`` itself if it already has
        this form.

    Raises:
        ImageError: see `load_image`.
    """
    return open_reduced(source, None)[0]


def open_reduced(
    source: ImageSource, longest: int | None, *, shortest: int | None = None
) -> tuple[Image.Image, Size]:
    """Decode an image, at a reduced size if its format supports that.

    A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, directly from its DCT coefficients. For an image of 100
    megapixels, this takes a fraction of the time and a sixteenth of the memory.

    Args:
        source: an image; see `load_image`. Only an encoded JPEG is ever reduced.
        longest: minimum length of the decoded image's longest side, in pixels; None if it does not matter.
        shortest: minimum length of its shortest side, likewise. If both are None, the image has its full size.

    Returns:
        The upright image in mode RGB, and the size of the upright original image.

    Raises:
        ImageError: see `load_image`.
    """
    known = _as_array(source)
    if isinstance(known, np.ndarray):
        image = Image.fromarray(array_to_rgb(known))
        return image, Size(*image.size)
    if isinstance(known, Image.Image):
        check_size(known.size, "the given image")
        file = _unread_file(known)
        if file is not None:
            return decode_reduced(identify(file, "the given image"), "the given image", None)
        image = _decode(known, "the given image")
        return image, Size(*image.size)
    with _open_encoded(known) as (file, name):
        return decode_reduced(identify(file, name), name, longest, shortest=shortest)


def decode_reduced(
    image: ImageFile.ImageFile, name: Path | str, longest: int | None, *, shortest: int | None = None
) -> tuple[Image.Image, Size]:
    """Decode an image opened by `freeloc.images.identify.identify`; see `open_reduced`.

    Args:
        image: the image.
        name: the image's source, for messages; see `freeloc.images.decode_errors.image_error`.
        longest: minimum length of the decoded image's longest side, in pixels; None if it does not matter.
        shortest: minimum length of its shortest side, likewise.
    """
    lift_tiff_limit(image)
    if (longest is None and shortest is None) or not isinstance(image, JpegImagePlugin.JpegImageFile):
        upright = _decode(image, name)
        return upright, Size(*upright.size)
    width, height = image.size
    fraction = min(1.0, max((longest or 0) / max(width, height), (shortest or 0) / min(width, height)))
    # Pillow chooses the largest reduction whose result is at least this large.
    image.draft(None, (math.ceil(width * fraction), math.ceil(height * fraction)))
    upright = _decode(image, name)
    return upright, Size(height, width) if swaps_sides(read_orientation(image)) else Size(width, height)


def read_image_size(source: EncodedImage) -> Size:
    """Read the size of the upright image from the file's header, without decoding any pixels.

    Args:
        source: an encoded image; see `load_image`.

    Raises:
        ImageError: see `load_image`; damage after the header is not detected.
    """
    with _open_encoded(source) as (file, name):
        return header_size(identify(file, name))


@contextmanager
def _open_encoded(source: EncodedImage) -> Iterator[tuple[IO[bytes], Path | str]]:
    """Yield an encoded image as an open file, and its name for messages."""
    if isinstance(source, HashedImage):
        with open_hashed_image(source) as file:
            yield file, source.path
    elif isinstance(source, bytes | bytearray | memoryview):
        yield BytesIO(source), "the given bytes"
    elif isinstance(source, str | os.PathLike):
        if not str(source):
            raise ImageValueError("cannot read an image: the path is empty; specify the path of a file")
        path = expand_user(source)
        with open_file(path) as file:
            yield file, path
    elif hasattr(source, "read"):
        yield BytesIO(_read_all(source)), "the given file"
    else:
        raise ImageValueError(
            f"cannot read an image from {type(source).__name__}: "
            "pass a path, bytes, a file opened in binary mode, a Pillow image, a NumPy array or a torch tensor"
        )


def _unread_file(image: Image.Image) -> IO[bytes] | None:
    """Return the content of the file of an image that Pillow has opened but not yet decoded.

    The readers of `freeloc.images.formats` decode some variants of these formats correctly that Pillow does not.

    Returns:
        The content; None if the image is decoded, is not the first one in its file, or has another format.
    """
    if not isinstance(image, ImageFile.ImageFile) or image.format not in ("TIFF", "PNG", "BMP", "JPEG2000"):
        return None
    if not image.tile or image.fp is None or image.fp.closed or image.tell() != 0:
        return None
    try:
        position = image.fp.tell()
        image.fp.seek(0)
        content = image.fp.read()
        image.fp.seek(position)
    except (OSError, ValueError) as error:
        check_resources(error)
        raise image_error("the given image", str(error), "open it again") from error
    return BytesIO(content)


def _read_all(file: IO[bytes]) -> bytes:
    try:
        data: bytes | str | None = file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise image_error("the given file", reason, "open it again") from error
    if not isinstance(data, bytes):
        raise image_error(
            "the given file", "it is not open in binary mode", 'open it in mode "rb"', kind=ImageValueError
        )
    return data


@silence_warnings()
def _decode(image: Image.Image, name: Path | str) -> Image.Image:
    declared = image.size
    try:
        image.load()
        orientation = read_orientation(image)
        image = image_to_rgb(image, name)
    except DECODER_ERRORS as error:
        raise decoding_failed(name, error) from error
    # libheif decodes images with a wrong size in the header. (Pillow may turn a TIFF image while it loads it.)
    if sorted(image.size) != sorted(declared):
        sizes = [f"{width}×{height}" for width, height in (declared, image.size)]
        reason = f"its header declares {sizes[0]} pixels, but it contains {sizes[1]}"
        raise image_error(name, reason, "replace it, or leave it out")
    return apply_orientation(image, orientation)
