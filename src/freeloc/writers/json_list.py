"""Write lists in JSON files record by record, so that memory use does not grow with their number."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from freeloc.io.atomic import atomic_path
from freeloc.writers.record import json_text

__all__ = ["write_json_list"]


def write_json_list(
    path: Path, items: Iterable[Mapping[str, Any]], *, before: str = "[", after: str = "]"
) -> None:
    """Write a JSON file that contains a list, atomically, one item per line.

    Args:
        path: the file.
        items: the items of the list.
        before: text of the file up to the first item.
        after: text of the file after the last item.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(before.encode())
        for index, item in enumerate(items):
            file.write(b",\n" if index else b"\n")
            file.write(json_text(item).encode())
        file.write(f"\n{after}\n".encode())
        file.flush()
        os.fsync(file.fileno())
