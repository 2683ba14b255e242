"""Write results to standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from freeloc.inference.result import Localization
from freeloc.writers.base import Writer
from freeloc.writers.record import json_line, localization_record

__all__ = ["ConsoleWriter"]


class ConsoleWriter(Writer):
    """Writer of results to standard output: text on a terminal, JSON Lines elsewhere."""

    name: ClassVar[str] = "console"
    needs_folder: ClassVar[bool] = False

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the result of one image.

        Raises:
            OSError: standard output is closed or full.
        """
        record = localization_record(result, self.options, image_name=str(path))
        if sys.stdout.isatty():
            sys.stdout.write(_text(record))
        else:
            # Write bytes, because JSON Lines are UTF-8, and the encoding of standard output may be different.
            sys.stdout.buffer.write(json_line(record))
        sys.stdout.flush()


def _text(record: Mapping[str, Any]) -> str:
    """Return a line with the image's name, followed by one line per present class."""
    present = [entry for entry in record["classes"] if entry["present"]]
    lines = [
        f"  {entry['name']} {entry['probability']:.2f} at ({entry['x']:.0f}, {entry['y']:.0f})"
        for entry in present
    ]
    lines = [f"{record['image']}{'' if present else ': nothing found'}", *lines]
    # File and class names are untrusted: control characters in them must not reach the terminal.
    printable = ("".join(char if char.isprintable() else "?" for char in line) for line in lines)
    return "\n".join([*printable, ""])
