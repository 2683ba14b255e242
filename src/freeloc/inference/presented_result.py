"""The methods of a result that present it, as records, pictures and values of other packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from PIL import Image

from freeloc._validation import Count, CountOrZero, Fraction, check_arguments, check_value
from freeloc.images.decode import ImageSource
from freeloc.inference.presentation import (
    OverlayOptions,
    SaveOptions,
    check_options,
    check_save_options,
    presentation,
)

if TYPE_CHECKING:
    from pandas import DataFrame
    from supervision import Detections as SupervisionDetections

__all__ = ["PresentedResult"]


class PresentedResult:
    """Base of `freeloc.inference.result.Localization`, with the ways to present it that higher packages define."""

    @check_arguments
    def to_dict(
        self,
        *,
        threshold: Fraction | None = None,
        peaks: CountOrZero = 0,
        boxes: CountOrZero = 0,
        masks: bool = False,
    ) -> dict[str, Any]:
        """Return the result as numbers, strings, lists and dicts, as ``freeloc predict`` writes it to JSON.

        Args:
            threshold: one threshold for all classes; default: the model's threshold for each class.
            peaks: maximum number of peaks per class; 0 omits them.
            boxes: maximum number of boxes per class; 0 omits them.
            masks: whether to add the pixels of each present class, run-length encoded.

        Returns:
            The record; `freeloc.writers.record` describes its fields.

        Raises:
            ConfigurationError: a number is out of range.
            MissingDependencyError: masks are requested, and the extra ``masks`` is not installed.
        """
        record: dict[str, Any] = presentation("record")(
            self, threshold=threshold, peaks=peaks, boxes=boxes, masks=masks
        )
        return record

    def overlay(self, image: ImageSource | None = None, **options: Unpack[OverlayOptions]) -> Image.Image:
        """Draw the image with the points of all present classes, and one panel per class with its score map.

        Args:
            image: the image; default: the one that the result was computed from. A file is read again.
            options: what to draw; see `OverlayOptions`.

        Returns:
            An image of mode RGB.

        Raises:
            ConfigurationError: the result does not know its image, ``image`` has another size, the model lacks
                one of the classes, or a number is out of range.
            ImageError: the image cannot be read.
        """
        overlay: Image.Image = presentation("overlay")(self, image, **check_options(options))
        return overlay

    def save(
        self, path: str | Path, image: ImageSource | None = None, **options: Unpack[SaveOptions]
    ) -> None:
        """Write the result to a folder, or one part of it to a file, whose suffix says what to write.

        A folder contains ``result.json``, ``maps.npz``, ``overlay.jpg`` and ``manifest.json``, which lists the
        others with their SHA-256; see `freeloc.writers.result_folder`. A file, or an earlier result in the folder,
        is replaced; other files in the folder remain.

        Args:
            path: a folder, without a suffix unless it exists, or a file: .json for the record (`to_dict`), .jpg,
                .png or .webp for the overlay, or .npz for the score maps (`freeloc.writers.npz_maps`).
            image: the image of the overlay; see `overlay`.
            options: what to write and draw; see `SaveOptions`.

        Raises:
            ConfigurationError: the suffix is unknown; see `overlay` for further reasons.
            ImageError: the image cannot be read.
            MissingDependencyError: masks are requested, and the extra ``masks`` is not installed.
            OutputError: a file cannot be written, or the folder contains a file of the same name that is not of a
                result.
        """
        place: Path = check_value("path", path, Path)
        presentation("save")(self, place, image, **check_save_options(options))

    @check_arguments
    def to_pandas(
        self, *, threshold: Fraction | None = None, peaks: CountOrZero = 0, boxes: CountOrZero = 0
    ) -> DataFrame:
        """Return the result as a table with one row per class, most probable first.

        ``freeloc.to_pandas`` makes one table of several results.

        Args:
            threshold: one threshold for all classes; default: the model's threshold for each class.
            peaks: maximum number of peaks per class, in the column ``peaks``; 0 omits it.
            boxes: maximum number of boxes per class, in the column ``boxes``, and the best one in columns of its
                own; 0 omits them.

        Returns:
            A table with the columns of `freeloc.writers.table_rows`.

        Raises:
            ConfigurationError: a number is out of range.
            MissingDependencyError: pandas is not installed.
        """
        return presentation("pandas")(self, threshold=threshold, peaks=peaks, boxes=boxes)

    @check_arguments
    def to_supervision(
        self, *, threshold: Fraction | None = None, boxes: Count = 8, masks: bool = False
    ) -> SupervisionDetections:
        """Return the boxes of present classes as ``supervision.Detections``.

        Args:
            threshold: one threshold for all classes; default: the model's threshold for each class. With 0, the
                boxes of all classes are returned.
            boxes: maximum number of boxes per class.
            masks: whether to add the pixels of the class in each box.

        Returns:
            The boxes in image coordinates, with their scores as ``confidence``, the indices of their classes as
            ``class_id``, and the names of the classes as ``data["class_name"]``.

        Raises:
            ConfigurationError: a number is out of range.
            MissingDependencyError: supervision is not installed.
        """
        return presentation("supervision")(self, threshold=threshold, boxes=boxes, masks=masks)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the overlay, if the image is available, and the present classes."""
        html: str = presentation("html")(self)
        return html
