"""Write overlays: one JPEG per image, with its score maps and points drawn on it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from PIL import Image

from freeloc.inference.result import Localization
from freeloc.visualization import draw_overlay, save_image
from freeloc.writers.base import Writer

__all__ = ["OVERLAYS_FOLDER", "OverlaysWriter"]

OVERLAYS_FOLDER: Final = "overlays"
"""Subfolder of the output folder that contains the overlays."""


class OverlaysWriter(Writer):
    """Writer of one ``overlays/NAME.jpg`` per image."""

    name: ClassVar[str] = "overlays"
    place: ClassVar[str | None] = OVERLAYS_FOLDER
    needs_image = True

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Draw and write the overlay of one image.

        Raises:
            OutputError: the file cannot be written.
            ValueError: ``image`` is None.
        """
        if image is None:
            raise ValueError("an overlay needs the decoded image")
        file = self.path_of(f"{OVERLAYS_FOLDER}/{name}.jpg")
        options = self.options
        overlay = draw_overlay(
            image, result, threshold=options.threshold, boxes=options.boxes, peaks=options.peaks
        )
        save_image(overlay, file)
        self.files.append(file)
