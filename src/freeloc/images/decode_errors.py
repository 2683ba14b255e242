"""Errors for images that cannot be read or decoded, and the limit on image size."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from freeloc.errors import ImageError, ResourceError
from freeloc.io.limits import resource_error

__all__ = [
    "DECODER_ERRORS",
    "MAX_PIXELS",
    "SEVERAL",
    "MissingReaderError",
    "UnsupportedVariantError",
    "check_size",
    "decoding_failed",
    "image_error",
    "too_large",
]

MAX_PIXELS = 500_000_000
"""Maximum number of pixels in an image; decoding a larger image would take gigabytes of memory."""

DECODER_ERRORS = (Exception,)
"""Exceptions that Pillow's decoders raise for damaged data: nearly all, from AssertionError to zlib.error."""


SEVERAL = "pass the images one by one, or all of them to the localizer itself or to predict_many"
"""What to do about several images where one is expected."""


class UnsupportedVariantError(Exception):
    """A reader refuses a variant of its format; the message names it, such as "it is a raw image of a camera"."""


class MissingReaderError(Exception):
    """A format requires the extra ``formats``, which is not installed; the message names it, as in "a HEIC"."""


def image_error(
    source: Path | str, reason: str, fix: str, *, kind: type[ImageError] = ImageError, noun: str = "image"
) -> ImageError:
    """Return the error for an image that cannot be read.

    Args:
        source: the image file, or a noun phrase such as "the given array" if the image does not come from a file.
        reason: why the image cannot be read.
        fix: what the caller can do about it.
        kind: class of the error.
        noun: what a file is supposed to be.
    """
    if isinstance(source, Path):
        return kind(f"cannot read {noun} {source}: {reason}; {fix}", path=source, reason=reason)
    return kind(f"cannot read {source}: {reason}; {fix}", reason=reason)


def decoding_failed(source: Path | str, error: Exception) -> ImageError | ResourceError:
    """Return the error for an image that Pillow cannot decode."""
    shortage = resource_error(error)
    if shortage is not None:
        return shortage
    if isinstance(error, Image.DecompressionBombError):
        return too_large(source)
    if isinstance(error, UnsupportedVariantError):
        return image_error(
            source, str(error), "save it as PNG or JPEG with 8 bits per channel, or leave it out"
        )
    if isinstance(error, MissingReaderError):
        return image_error(
            source,
            f"it is {error} file, which requires another package",
            "run pip install 'freeloc[formats]', or convert it to JPEG or PNG",
        )
    detail = " ".join(str(error).split()) or type(error).__name__
    return image_error(
        source,
        f"decoding failed ({detail})",
        "the file may be damaged or use an unsupported variant of its format: save it again as JPEG or PNG, "
        "or leave it out",
    )


def too_large(source: Path | str) -> ImageError:
    """Return the error for an image with more than `MAX_PIXELS` pixels."""
    return image_error(
        source, f"it has more than {MAX_PIXELS / 1e6:.0f} megapixels", "reduce its size, or leave it out"
    )


def check_size(size: tuple[int, int], source: Path | str) -> None:
    """Check that an image has at least one pixel and at most `MAX_PIXELS`.

    Raises:
        ImageError: the image is empty or too large.
    """
    if size[0] * size[1] > MAX_PIXELS:
        raise too_large(source)
    if min(size) < 1:
        raise image_error(source, "it has no pixels", "replace it, or leave it out")
