"""JSON Lines output: one record per image, in a file or on standard output."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from PIL import Image

from freeloc.inference.result import Localization
from freeloc.io.terminal import print_json
from freeloc.writers.appending import GrowingFileWriter
from freeloc.writers.record import json_line, json_text, localization_record

__all__ = ["JsonlWriter"]


class JsonlWriter(GrowingFileWriter):
    """Writer of ``predictions.jsonl``, or of the same lines to standard output if there is no output folder.

    Each line is written as soon as its image is predicted, so that nothing is lost by an interruption, and memory
    use does not grow with the number of images.
    """

    name: ClassVar[str] = "jsonl"
    needs_folder: ClassVar[bool] = False
    lists_files: ClassVar[bool] = True
    place: ClassVar[str | None] = "predictions.jsonl"

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the record of one image as one line of UTF-8.

        Raises:
            OutputError: the line cannot be written.
            BrokenPipeError: the program that reads standard output has ended.
            ValueError: the writer is not open.
        """
        record = localization_record(
            result, self.options, image_name=str(path), files=self.image_file_names()
        )
        if self.folder is None:
            print_json(json_text(record))
            return
        self.append(json_line(record))
