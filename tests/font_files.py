"""Small font files, whose glyphs are squares."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["write_font"]


def write_font(path: Path, characters: str, side: float) -> None:
    """Write a font.

    Args:
        path: the file.
        characters: the characters that the font contains.
        side: width and height of each glyph, as a fraction of the font size; the squares stand on the baseline.
    """
    builders = pytest.importorskip("fontTools.fontBuilder", reason="fontTools writes the fonts of the tests")
    pens = pytest.importorskip("fontTools.pens.ttGlyphPen")

    def square(left: int, right: int) -> object:
        pen = pens.TTGlyphPen(None)
        pen.moveTo((left, 0))
        pen.lineTo((left, right))
        pen.lineTo((right, right))
        pen.lineTo((right, 0))
        pen.closePath()
        return pen.glyph()

    names = {ord(char): f"u{ord(char):04X}" for char in (*characters, " ")}
    units = round(1000 * side)
    builder = builders.FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    glyphs = {name: square(0, units) for name in names.values()}
    glyphs[names[ord(" ")]] = pens.TTGlyphPen(None).glyph()
    glyphs[".notdef"] = square(100, 900)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (units or 500, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
