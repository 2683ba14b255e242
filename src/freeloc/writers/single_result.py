"""The record of one result, and files about one result, for `freeloc.inference.result.Localization`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from freeloc.errors import ConfigurationError
from freeloc.images.decode import ImageSource
from freeloc.inference.result import Localization
from freeloc.io.atomic import write_bytes
from freeloc.io.folders import expand_user
from freeloc.visualization.image_files import save_image
from freeloc.visualization.result_overlay import result_overlay
from freeloc.writers.base import WriterOptions
from freeloc.writers.npz_maps import write_maps
from freeloc.writers.record import json_line, localization_record

__all__ = ["result_record", "save_result"]

_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
"""Suffixes of overlays; `freeloc.visualization.image_files` writes them."""


def result_record(
    result: Localization, *, threshold: float | None = None, peaks: int = 0, boxes: int = 0
) -> dict[str, Any]:
    """Return the record of a result; see `freeloc.writers.record`."""
    return localization_record(result, WriterOptions(threshold, peaks, boxes))


def save_result(
    result: Localization,
    path: Path,
    image: ImageSource | None,
    *,
    classes: Sequence[str] | None,
    threshold: float | None,
    peaks: int,
    boxes: int,
) -> None:
    """Write a result to a file; see `freeloc.inference.result.Localization.save`.

    Raises:
        ConfigurationError: the suffix is unknown, or the image is needed and not known.
        OutputError: the file cannot be written.
        ImageError: the image cannot be read.
    """
    path = expand_user(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_bytes(path, json_line(result_record(result, threshold=threshold, peaks=peaks, boxes=boxes)))
    elif suffix == ".npz":
        write_maps(path, result, classes=classes, threshold=threshold)
    elif suffix in _PICTURES:
        options = {"classes": classes, "threshold": threshold, "peaks": peaks, "boxes": boxes}
        save_image(result_overlay(result, image, **options), path)  # type: ignore[arg-type]
    else:
        raise ConfigurationError(
            f"cannot write {path}: the suffix {path.suffix!r} is unknown; use .json for the record, "
            f"{', '.join(_PICTURES)} for the overlay, or .npz for the score maps",
            parameter="path",
        )
