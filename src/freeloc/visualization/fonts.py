"""Lay out and draw a line of text in any script, with fonts that contain its characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final, Literal, TypeAlias

from anyascii import anyascii
from PIL import ImageDraw, ImageFont

from freeloc._log import get_logger
from freeloc._printable import JOINERS, printable
from freeloc.visualization.system_fonts import (
    GLYPH_SIZE,
    Font,
    contains,
    find_font_file,
    open_font,
    script_of,
)

__all__ = ["TextLine", "fit_text"]

_log = get_logger(__name__)

_FontFile: TypeAlias = Path | Literal["default", "none"]
"""The file of a font; or Pillow's default font, or no font."""

_MAX_CHARACTERS: Final = 200
"""Number of characters of a text that is too wide which are laid out at all."""

_warned_scripts: set[str] = set()
"""Scripts for which this process has reported that there is no font."""


@dataclass(frozen=True)
class TextLine:
    """One line of text.

    Attributes:
        runs: parts of the text from left to right, each with the font that draws it.
        default: the font that determines the baseline.
    """

    runs: tuple[tuple[str, Font], ...]
    default: Font

    @property
    def text(self) -> str:
        """The text, in the order in which it is drawn."""
        return "".join(text for text, _ in self.runs)

    @property
    def width(self) -> float:
        """Width in pixels."""
        return sum(font.getlength(text) for text, font in self.runs)

    def draw(
        self, draw: ImageDraw.ImageDraw, left: float, top: float, height: float, fill: tuple[int, ...]
    ) -> None:
        """Draw the line so that capital letters are centered between ``top`` and ``top + height``."""
        box = self.default.getbbox("H")
        upper = top + (height - (box[1] + box[3])) / 2
        for text, font in self.runs:
            if isinstance(font, ImageFont.FreeTypeFont):
                # The letters of all fonts stand on the baseline of the default font.
                draw.text((left, upper + box[3]), text, fill=fill, font=font, anchor="ls")
            else:
                draw.text((left, upper), text, fill=fill, font=font)
            left += font.getlength(text)


def fit_text(text: str, size: int, width: float) -> TextLine:
    """Lay out text so that it is at most ``width`` pixels wide.

    Text that is too wide is shortened and ends with an ellipsis. Characters that no font contains are replaced by
    Latin letters that sound alike: 狗 becomes Gou.
    """
    text = printable(" ".join(text.split()))
    line = _lay_out(text, size)
    if line.width <= width:
        return line
    text = text[:_MAX_CHARACTERS]
    while text:
        line = _lay_out(text, size, ellipsis=True)
        if line.width <= width:
            return line
        text = text[:-1].rstrip()
    return _lay_out("", size, ellipsis=True)


def _lay_out(text: str, size: int, *, ellipsis: bool = False) -> TextLine:
    default = _default_font(size)
    runs = list(_runs(text, size))
    if ellipsis:
        runs.append(("...", default))
    if _is_right_to_left(text):
        # Within a run, Raqm orders the characters; the runs themselves are ordered here.
        runs.reverse()
    return TextLine(tuple(runs), default)


def _runs(text: str, size: int) -> Iterator[tuple[str, Font]]:
    """Yield the parts of a text with their fonts, in logical order."""
    pairs = zip(text, _font_files_of(text), strict=True)
    for file, group in groupby(pairs, key=lambda pair: pair[1]):
        part = "".join(char for char, _ in group)
        font = open_font(file, size) if isinstance(file, Path) else None
        yield (_transliterate(part) if file == "none" else part), font or _default_font(size)


@lru_cache(maxsize=1024)
def _font_files_of(text: str) -> tuple[_FontFile, ...]:
    """Return the font of each character.

    A font that is needed for one character draws all others that it contains, so that words have letters of one
    style. The default font draws the rest.
    """
    if all(_contains("default", char) for char in text):
        return tuple("default" for _ in text)
    needed: dict[Path, None] = {}
    for char in text:
        if not _contains("default", char) and not any(_contains(file, char) for file in needed):
            file = find_font_file(char)
            needed.update({} if file is None else {file: None})
    chosen: list[_FontFile] = []
    for char in text:
        # Marks and joiners belong to the letter before them.
        if chosen and (unicodedata.category(char).startswith("M") or JOINERS.match(char)):
            chosen.append(chosen[-1])
        else:
            fonts: list[_FontFile] = [*needed, "default"]
            chosen.append(next((file for file in fonts if _contains(file, char)), "none"))
    return tuple(chosen)


def _contains(file: _FontFile, char: str) -> bool:
    if file == "none":
        return False
    if file == "default":
        return char.isascii() or contains(_default_font(GLYPH_SIZE), char)
    font = open_font(file, GLYPH_SIZE, ImageFont.Layout.BASIC)
    return font is not None and contains(font, char)


def _transliterate(text: str) -> str:
    """Return text in ASCII that sounds like the given text, and report once per script that a font is missing."""
    replaced = anyascii(text).strip() or " ".join(f"U+{ord(char):04X}" for char in text)
    script = script_of(text[0])
    if script not in _warned_scripts:
        _warned_scripts.add(script)
        _log.warning(
            "no font on this computer can draw %r: overlays show %r; install a font for %s, such as Noto Sans",
            text,
            replaced,
            script,
        )
    return replaced


def _is_right_to_left(text: str) -> bool:
    """Return whether the first letter with a direction is written from right to left."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((one for one in directions if one in {"L", "R", "AL"}), "L") != "L"


@lru_cache(maxsize=16)
def _default_font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except ImportError:  # Pillow was built without FreeType: only a bitmap font of fixed size is available
        return ImageFont.load_default()
