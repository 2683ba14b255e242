"""Where results are kept: ``benchmarks.json`` is the source, ``benchmarks.md`` is made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.page import render_page
from freeloc.errors import FreelocError
from freeloc.io.atomic import write_text

__all__ = ["load_record", "render_again", "update_record"]

_VERSION = 1
_JSON, _PAGE = "benchmarks.json", "benchmarks.md"


def load_record(folder: Path) -> dict[str, Any]:
    """All sections measured so far; none where nothing was.

    Raises:
        FreelocError: the file there is damaged or of another version.
    """
    path = folder / _JSON
    if not path.is_file():
        return {"schema_version": _VERSION}
    try:
        record = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise FreelocError(f"{path} is damaged ({error}): delete it and measure again") from error
    if not isinstance(record, dict) or record.get("schema_version") != _VERSION:
        raise FreelocError(f"{path} is not of version {_VERSION}: delete it and measure again")
    return record


def update_record(folder: Path, section: str, content: Mapping[str, Any]) -> None:
    """Put one section's results in the place of its former ones, and make the page anew.

    Raises:
        FreelocError: the record there is damaged, or the folder cannot be written to.
    """
    record = {**load_record(folder), section: dict(content)}
    write_text(folder / _JSON, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / _PAGE, render_page(record))


def render_again(folder: Path) -> None:
    """Make the page from the results that are there."""
    write_text(folder / _PAGE, render_page(load_record(folder)))
