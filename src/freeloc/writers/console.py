"""Write results to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from freeloc._printable import printable
from freeloc.inference.result import Localization
from freeloc.io.terminal import is_terminal, print_json, standard_output
from freeloc.writers.base import Writer
from freeloc.writers.record import json_text, localization_record

__all__ = ["ConsoleWriter"]


class ConsoleWriter(Writer):
    """Writer of results to standard output: text on a terminal, JSON Lines elsewhere."""

    name: ClassVar[str] = "console"
    needs_folder: ClassVar[bool] = False

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the result of one image.

        Raises:
            OutputError: standard output is closed or full.
            BrokenPipeError: the program that reads the output has ended.
        """
        record = localization_record(result, self.options, image_name=str(path))
        if is_terminal(sys.stdout):
            with standard_output() as stream:
                stream.write(_text(record))
        else:
            print_json(json_text(record))


def _text(record: Mapping[str, Any]) -> str:
    """Return a line with the image's name, followed by one line per present class."""
    present = [entry for entry in record["classes"] if entry["present"]]
    lines = [
        f"  {entry['name']} {entry['probability']:.2f} at ({entry['x']:.0f}, {entry['y']:.0f})"
        for entry in present
    ]
    lines = [f"{record['image']}{'' if present else ': nothing found'}", *lines]
    return "".join(f"{printable(line)}\n" for line in lines)
