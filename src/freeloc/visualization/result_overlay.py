"""Draw the overlay of a result, with the image that it was computed from."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from freeloc.errors import ConfigurationError
from freeloc.images.decode import ImageSource, open_image
from freeloc.inference.result import Localization
from freeloc.visualization.overlay import draw_overlay

__all__ = ["result_overlay"]


def result_overlay(
    result: Localization,
    image: ImageSource | None = None,
    *,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    peaks: int = 0,
    boxes: int = 0,
) -> Image.Image:
    """Draw the overlay of a result; see `freeloc.inference.result.Localization.overlay`.

    Raises:
        ConfigurationError: the result does not know its image, the image has another size, or the model lacks one
            of the classes.
        ImageError: the image cannot be read.
    """
    source = image if image is not None else result.image if result.image is not None else result.path
    if source is None:
        raise ConfigurationError(
            "image is None, but the result was not computed from a file and does not contain its image: pass the "
            "image",
            parameter="image",
        )
    # A decoded image may have been reduced, as `draw_overlay` allows.
    upright = source if source is result.image else open_image(source)
    try:
        return draw_overlay(upright, result, classes=classes, threshold=threshold, peaks=peaks, boxes=boxes)
    except ConfigurationError:
        raise
    except ValueError as error:
        raise ConfigurationError(f"image does not fit the result: {error}", parameter="image") from error
