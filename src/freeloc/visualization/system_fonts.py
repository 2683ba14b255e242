"""Find a font of the operating system that contains a character."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from PIL import ImageFont, features

from freeloc._printable import JOINERS
from freeloc.io.folders import font_folders

__all__ = ["GLYPH_SIZE", "Font", "contains", "find_font_file", "open_font", "script_of"]

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SUFFIXES: Final = (".ttf", ".ttc", ".otf", ".otc")

_MAX_OPENED: Final = 200
"""Number of fonts that are searched for one character; computers with thousands of fonts also have common ones."""

_COMMON: Final = (
    "notosans", "dejavusans", "arial", "liberationsans", "segoeui", "tahoma", "helvetica", "freesans",
    "msyh", "simsun", "meiryo", "yugoth", "msgothic", "malgun", "pingfang", "hiragino", "applesdgothic", "wqy",
    "sourcehansans", "droidsansfallback", "uming", "ukai", "geezapro", "amiri", "nirmala", "mangal", "kohinoor",
    "lohit", "leelawad", "thonburi", "unifont",
)  # fmt: skip
"""Beginnings of the names of common sans-serif fonts, in lower case and without separators."""

_STYLES: Final = re.compile(
    "bold|italic|oblique|black|heavy|medium|light|thin|condensed|narrow|mono|serif|display|emoji"
)
"""Words in the names of fonts that are less readable in small sizes, or have no plain letters."""

_PLACEHOLDERS: Final = re.compile("lastresort|adobeblank|tofu|fallbackboxes")
"""Fonts that contain a placeholder for every character."""

GLYPH_SIZE: Final = 16
"""Font size at which glyphs are compared."""

_SHAPED: Final = ((0x0900, 0x0DFF), (0x0F00, 0x109F), (0x1780, 0x18AF))
"""Scripts of India, Tibet, Burma, Cambodia and Mongolia, whose letters join or change their order."""


@lru_cache(maxsize=4096)
def find_font_file(char: str) -> Path | None:
    """Return the file of the most suitable font that contains a character; None if no font does.

    Fonts that are named after the character's script come first, then common fonts; plain styles come before bold
    and italic ones. A character that Pillow cannot draw, because its script needs text shaping and Pillow was
    built without Raqm, is in no font.
    """
    if _needs_shaping(char) and not features.check("raqm"):
        return None
    script = script_of(char).lower()
    ranked = sorted(_font_files(), key=lambda file: _rank(file, script))
    for file in ranked[:_MAX_OPENED]:
        font = open_font(file, GLYPH_SIZE, ImageFont.Layout.BASIC)
        if font is not None and contains(font, char):
            return file
    return None


def script_of(char: str) -> str:
    """Return the script of a letter, which is the beginning of its Unicode name, or "symbols".

    Example:
        >>> [script_of(char) for char in "狗कك♻"]
        ['CJK', 'Devanagari', 'Arabic', 'symbols']
    """
    if unicodedata.category(char)[0] not in "LM":
        return "symbols"
    word = unicodedata.name(char, "unknown").split()[0].split("-")[0]
    return word if word == "CJK" else word.capitalize()


@lru_cache(maxsize=1024)
def open_font(file: Path, size: int, layout: ImageFont.Layout | None = None) -> ImageFont.FreeTypeFont | None:
    """Return a font; None if the file cannot be read, or Pillow was built without FreeType."""
    try:
        return ImageFont.truetype(file, size, layout_engine=layout)
    except (ImportError, OSError, ValueError):
        return None


def contains(font: Font, char: str) -> bool:
    """Return whether a font has a glyph for a character; joiners need none.

    Args:
        font: a font with basic layout, which draws each character by itself.
        char: the character.
    """
    if JOINERS.match(char):
        return True
    if not isinstance(font, ImageFont.FreeTypeFont):
        return char.isascii()
    # U+FFFF is never assigned: fonts draw it with the glyph for missing characters.
    try:
        missing, glyph = font.getmask("\uffff"), font.getmask(char)
    except OSError:  # a damaged font
        return False
    return (glyph.size, bytes(glyph)) != (missing.size, bytes(missing))


@lru_cache(maxsize=1)
def _font_files() -> tuple[Path, ...]:
    found = [
        Path(folder, name)
        for top in font_folders()
        for folder, _, names in os.walk(top)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    ]
    return tuple(file for file in found if not _PLACEHOLDERS.search(_plain_name(file)))


def _rank(file: Path, script: str) -> tuple[bool, bool, int, str]:
    name = _plain_name(file)
    common = name.startswith(_COMMON)
    return script not in name, not common, len(_STYLES.findall(name)), name


def _plain_name(file: Path) -> str:
    return re.sub("[^a-z0-9]", "", file.stem.lower())


def _needs_shaping(char: str) -> bool:
    code = ord(char)
    right_to_left = unicodedata.bidirectional(char) in {"R", "AL"}
    return right_to_left or any(first <= code <= last for first, last in _SHAPED)
