"""Errors for images that cannot be read or decoded, and the limit on image size."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from freeloc.errors import ImageError, ResourceError
from freeloc.io.limits import resource_error

__all__ = ["DECODER_ERRORS", "MAX_PIXELS", "check_size", "decoding_failed", "image_error", "too_large"]

MAX_PIXELS = 500_000_000
"""Maximum number of pixels in an image; decoding a larger image would take gigabytes of memory."""

# fmt: off
DECODER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, struct.error, zlib.error,
)
# fmt: on
"""Exceptions that Pillow's decoders raise for damaged data."""


def image_error(source: Path | str, reason: str, fix: str) -> ImageError:
    """Return the error for an image that cannot be read.

    Args:
        source: the image file, or a noun phrase such as "the given array" if the image does not come from a file.
        reason: why the image cannot be read.
        fix: what the caller can do about it.
    """
    if isinstance(source, Path):
        return ImageError(f"cannot read image {source}: {reason}; {fix}", path=source, reason=reason)
    return ImageError(f"cannot read {source}: {reason}; {fix}", reason=reason)


def decoding_failed(source: Path | str, error: Exception) -> ImageError | ResourceError:
    """Return the error for an image that Pillow cannot decode."""
    shortage = resource_error(error)
    if shortage is not None:
        return shortage
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
