"""Text that can be written: a font that has the letters, and as much of a name as there is room for."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

__all__ = ["Font", "baseline_top", "fitted"]

_OTHER_FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf",
    "wqy-microhei.ttc", "Arial Unicode.ttf", "arial.ttf", "msyh.ttc", "meiryo.ttc", "malgun.ttf", "PingFang.ttc",
)  # fmt: skip
"""Fonts of common systems, tried in this order for names that Pillow's own font cannot write."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def baseline_top(font: Font, height: int) -> float:
    """Where text begins so that a capital letter stands in the middle of ``height`` pixels."""
    box = font.getbbox("H")
    return (height - (box[1] + box[3])) / 2


def fitted(text: str, size: int, width: int) -> tuple[str, Font]:
    """A text that a font can write within ``width`` pixels, and the font; a long text ends in dots."""
    text, font = _writable(" ".join(text.split()), size)
    if font.getlength(text) <= width:
        return text, font
    text = text[:200]
    while text and font.getlength(text + "...") > width:
        text = text[:-1].rstrip()
    return text + "...", font


def _writable(text: str, size: int) -> tuple[str, Font]:
    """Pillow's own font where it has all letters (it has ASCII), or a font of the system that has.

    Where none has, accents are dropped, and each other letter becomes its code in Unicode, such as U+72D7.
    """
    own = _own_font(size)
    if not _missing(text, own):
        return text, own
    for name in _OTHER_FONTS:
        font = _system_font(name, size)
        if font is not None and not _missing(text, font):
            return text, font
    return "".join(letter if letter.isascii() else _plain(letter) for letter in text), own


def _plain(letter: str) -> str:
    base = "".join(part for part in unicodedata.normalize("NFKD", letter) if part.isascii())
    return base or f"U+{ord(letter):04X}"


@lru_cache(maxsize=16)
def _own_font(size: int) -> Font:
    try:
        return ImageFont.load_default(size)
    except ImportError:  # this Pillow was built without FreeType: one small font of fixed size is left
        return ImageFont.load_default()


@lru_cache(maxsize=64)
def _system_font(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except (ImportError, OSError):
        return None


def _missing(text: str, font: Font) -> bool:
    if text.isascii() or not isinstance(font, ImageFont.FreeTypeFont):
        return not text.isascii()
    nothing = font.getmask("\uffff")
    empty_box = (nothing.size, bytes(nothing))
    letters = (font.getmask(letter) for letter in set(text) if not letter.isascii())
    return any((letter.size, bytes(letter)) == empty_box for letter in letters)
