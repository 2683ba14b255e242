"""Write results to standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar, Final, Self

from PIL import Image

from freeloc.inference.result import Localization
from freeloc.io.plain_console import PlainConsole
from freeloc.io.terminal import is_terminal, print_json, standard_output
from freeloc.io.terminal_graphics import TerminalGraphics, terminal_graphics
from freeloc.visualization.panels import PanelPainter
from freeloc.visualization.terminal_picture import encode_picture
from freeloc.writers.base import Writer, WriterOptions
from freeloc.writers.console_table import render_record
from freeloc.writers.record import json_text, localization_record

__all__ = ["ConsoleWriter"]

_PICTURE_LINES: Final = 9
"""Height of pictures, in lines of text."""


class ConsoleWriter(Writer):
    """Writer of results to standard output: a table per image on a terminal, JSON Lines elsewhere.

    On terminals that can show pictures, the table follows a small picture of the image with its points.
    """

    name: ClassVar[str] = "console"
    needs_folder: ClassVar[bool] = False
    lists_files: ClassVar[bool] = True

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._graphics: TerminalGraphics | None = None

    def __enter__(self) -> Self:
        """Ask the terminal whether it can show pictures."""
        if self.options.pictures == "auto":
            self._graphics = terminal_graphics(sys.stdout)
            self.needs_image = self._graphics is not None
        return self

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the result of one image.

        Raises:
            OutputError: standard output is closed or full.
            BrokenPipeError: the program that reads the output has ended.
        """
        record = localization_record(
            result, self.options, image_name=str(path), files=self.image_file_names()
        )
        if not is_terminal(sys.stdout):
            print_json(json_text(record))
            return
        picture = (
            "" if image is None or self._graphics is None else self._picture(result, image, self._graphics)
        )
        with standard_output() as stream:
            width = PlainConsole(file=stream).width
            text = render_record(record, width=width, encoding=getattr(stream, "encoding", None) or "utf-8")
            stream.write(picture + text)

    def _picture(self, result: Localization, image: Image.Image, graphics: TerminalGraphics) -> str:
        options = self.options
        height = _PICTURE_LINES * graphics.cell_height
        painter = PanelPainter(image, result, boxes=options.boxes, peaks=options.peaks, panel_height=height)
        panel = painter.draw_image(result.present(options.threshold))
        return f"{encode_picture(panel, graphics.protocol)}\n"
