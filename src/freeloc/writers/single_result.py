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
from freeloc.writers.masks import check_mask_packages
from freeloc.writers.npz_maps import write_maps
from freeloc.writers.record import json_line, localization_record
from freeloc.writers.result_folder import save_result_folder

__all__ = ["result_record", "save_result"]

_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
"""Suffixes of overlays; `freeloc.visualization.image_files` writes them."""


def result_record(
    result: Localization,
    *,
    threshold: float | None = None,
    peaks: int = 0,
    boxes: int = 0,
    masks: bool = False,
) -> dict[str, Any]:
    """Return the record of a result; see `freeloc.writers.record`.

    Raises:
        MissingDependencyError: masks are requested, and the packages that encode them are not installed.
    """
    if masks:
        check_mask_packages()
    return localization_record(result, WriterOptions(threshold, peaks, boxes, masks))


def save_result(
    result: Localization,
    path: Path,
    image: ImageSource | None,
    *,
    classes: Sequence[str] | None,
    threshold: float | None,
    peaks: int,
    boxes: int,
    masks: bool,
) -> None:
    """Write a result to a file or folder; see `freeloc.inference.result.Localization.save`.

    Raises:
        ConfigurationError: the suffix is unknown, or the image is needed and not known.
        OutputError: a file cannot be written.
        ImageError: the image cannot be read.
        MissingDependencyError: masks are requested, and the packages that encode them are not installed.
    """
    path = expand_user(path)
    suffix = path.suffix.lower()
    contents = {"threshold": threshold, "peaks": peaks, "boxes": boxes, "masks": masks}
    drawn = {"classes": classes, "threshold": threshold, "peaks": peaks, "boxes": boxes}
    if not suffix or path.is_dir():
        record = result_record(result, **contents)  # type: ignore[arg-type]
        overlay = result_overlay(result, image, **drawn)  # type: ignore[arg-type]
        named = None if classes is None else list(classes)
        save_result_folder(result, path, record, overlay, {"classes": named, **contents})
    elif suffix == ".json":
        write_bytes(path, json_line(result_record(result, **contents)))  # type: ignore[arg-type]
    elif suffix == ".npz":
        write_maps(path, result, classes=classes, threshold=threshold)
    elif suffix in _PICTURES:
        save_image(result_overlay(result, image, **drawn), path)  # type: ignore[arg-type]
    else:
        raise ConfigurationError(
            f"cannot write {path}: the suffix {path.suffix!r} is unknown; use .json for the record, "
            f"{', '.join(_PICTURES)} for the overlay, .npz for the score maps, or no suffix for a folder with all "
            "of them",
            parameter="path",
        )
