"""The text that shows the prediction of one image on a terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len, chop_cells
from rich.table import Table
from rich.text import Text

from freeloc._printable import printable
from freeloc.inference.origin import image_title
from freeloc.io.plain_console import PlainConsole

__all__ = ["render_record"]

_MIN_ROWS: Final = 5
"""Number of classes shown even if they are not present: the most probable ones."""

_MAX_NAME: Final = 240
"""Number of terminal columns, over several lines, after which the name of a class is cut."""

_MAX_DIGITS: Final = 6
"""Number of decimals of probabilities in a record."""


@dataclass(frozen=True)
class _Symbols:
    """Characters that the encoding of a terminal may lack."""

    present: str = "✓"
    reaches: str = "≥"
    missing: str = "–"
    more: str = "…"
    times: str = "×"


_ASCII: Final = _Symbols("*", ">=", "-", "...", "x")


def render_record(record: Mapping[str, Any], *, width: int, encoding: str) -> str:
    """Return the lines for one image: its name, and a table with one row per class, most probable first.

    The table shows the present classes, which are marked, and at least the five most probable ones. No line is
    longer than the terminal is wide; long names continue on the next line.

    Args:
        record: see `freeloc.writers.record`.
        width: number of columns of the terminal.
        encoding: encoding of the terminal; characters that it lacks are escaped.
    """
    symbols = _Symbols() if _is_encodable("✓≥–…×", encoding) else _ASCII
    shown = [entry for index, entry in enumerate(record["classes"]) if entry["present"] or index < _MIN_ROWS]
    buffer = io.StringIO()
    console = PlainConsole(file=buffer, width=width)
    size = f"{record['width']}{symbols.times}{record['height']}"
    found = sum(entry["present"] for entry in shown)
    name = image_title(record["image"], record.get("frame"), record.get("time"))
    title = f"{name} ({size}){'' if found else ': nothing found'}"
    buffer.writelines(f"{line}\n" for line in chop_cells(printable(title), width))
    console.print(_table(shown, symbols))
    hidden = len(record["classes"]) - len(shown)
    if hidden:
        rest = f"  {symbols.more} {hidden} less probable {'class' if hidden == 1 else 'classes'}"
        buffer.write(f"{rest[:width]}\n")
    text = "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().split("\n")[:-1])
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _table(entries: list[Mapping[str, Any]], symbols: _Symbols) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("class", overflow="fold", min_width=8)
    table.add_column("probability", no_wrap=True)
    table.add_column("x,y", no_wrap=True)
    extras = [name for name in ("peaks", "boxes") if any(name in entry for entry in entries)]
    for name in extras:
        table.add_column(name, no_wrap=True)
    for entry in entries:
        table.add_row(
            symbols.present if entry["present"] else "",
            _class_name(entry["name"], symbols),
            _comparison(entry, symbols),
            _position(entry, "x", "y", symbols),
            *(Text("\n".join(_EXTRAS[name](each, symbols) for each in entry[name])) for name in extras),
        )
    return table


def _class_name(name: str, symbols: _Symbols) -> Text:
    text = printable(name)
    if cell_len(text) > _MAX_NAME:
        text = chop_cells(text, _MAX_NAME)[0] + symbols.more
    return Text(text)


def _comparison(entry: Mapping[str, Any], symbols: _Symbols) -> str:
    """Return the probability and the threshold, with as many decimals as it takes to tell them apart."""
    probability, threshold = entry["probability"], entry["threshold"]
    if probability is None or threshold is None:
        return symbols.missing
    relation = symbols.reaches if entry["present"] else "<"
    for digits in range(2, _MAX_DIGITS + 1):
        one, other = f"{probability:.{digits}f}", f"{threshold:.{digits}f}"
        if one != other or entry["present"]:
            break
    return f"{one} {relation} {other}"


def _position(entry: Mapping[str, Any], x: str, y: str, symbols: _Symbols) -> str:
    if entry[x] is None or entry[y] is None:
        return symbols.missing
    return f"{entry[x]:.0f},{entry[y]:.0f}"


def _peak(peak: Mapping[str, Any], symbols: _Symbols) -> str:
    return f"{_position(peak, 'x', 'y', symbols)} {_number(peak['value'], symbols)}"


def _box(box: Mapping[str, Any], symbols: _Symbols) -> str:
    corners = f"{_position(box, 'x1', 'y1', symbols)} {_position(box, 'x2', 'y2', symbols)}"
    return f"{corners} {_number(box['score'], symbols)}"


_EXTRAS: Final = {"peaks": _peak, "boxes": _box}


def _number(value: float | None, symbols: _Symbols) -> str:
    return symbols.missing if value is None else f"{value:.2f}"


def _is_encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
