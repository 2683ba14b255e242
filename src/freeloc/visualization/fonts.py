"""Choose a font that contains all characters of a text, and shorten text to a width."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final, TypeAlias

from PIL import ImageFont

from freeloc._printable import printable

__all__ = ["Font", "fit_text", "text_top"]

_SYSTEM_FONTS: Final = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf",
    "wqy-microhei.ttc", "Arial Unicode.ttf", "arial.ttf", "msyh.ttc", "meiryo.ttc", "malgun.ttf", "PingFang.ttc",
)  # fmt: skip
"""Fonts of common operating systems, tried in this order if Pillow's default font lacks a character."""

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def text_top(font: Font, height: int) -> float:
    """Return the y coordinate at which to draw text so that capital letters are centered in ``height`` pixels."""
    box = font.getbbox("H")
    return (height - (box[1] + box[3])) / 2


def fit_text(text: str, size: int, width: int) -> tuple[str, Font]:
    """Return text that is at most ``width`` pixels wide, and a font that contains its characters.

    Text that is too wide is shortened and ends with an ellipsis.
    """
    text, font = _choose_font(printable(" ".join(text.split())), size)
    if font.getlength(text) <= width:
        return text, font
    text = text[:200]
    while text and font.getlength(text + "...") > width:
        text = text[:-1].rstrip()
    return text + "...", font


def _choose_font(text: str, size: int) -> tuple[str, Font]:
    """Return a text and a font that contains all its characters: Pillow's default font or a system font.

    If no font contains all characters, accents are dropped, and other non-ASCII characters are replaced by their
    code points, such as U+72D7.
    """
    default = _default_font(size)
    if not _lacks_characters(default, text):
        return text, default
    for name in _SYSTEM_FONTS:
        font = _system_font(name, size)
        if font is not None and not _lacks_characters(font, text):
            return text, font
    return "".join(char if char.isascii() else _to_ascii(char) for char in text), default


def _to_ascii(char: str) -> str:
    base = "".join(part for part in unicodedata.normalize("NFKD", char) if part.isascii())
    return base or f"U+{ord(char):04X}"


@lru_cache(maxsize=16)
def _default_font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except ImportError:  # Pillow was built without FreeType: only a bitmap font of fixed size is available
        return ImageFont.load_default()


@lru_cache(maxsize=64)
def _system_font(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except (ImportError, OSError):
        return None


def _lacks_characters(font: Font, text: str) -> bool:
    if text.isascii() or not isinstance(font, ImageFont.FreeTypeFont):
        return not text.isascii()
    # U+FFFF is never assigned: fonts draw it with the glyph for missing characters.
    missing = font.getmask("\uffff")
    missing_glyph = (missing.size, bytes(missing))
    glyphs = (font.getmask(char) for char in set(text) if not char.isascii())
    return any((glyph.size, bytes(glyph)) == missing_glyph for glyph in glyphs)
