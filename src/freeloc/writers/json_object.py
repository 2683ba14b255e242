"""Write JSON objects with lists of any length, so that memory use does not grow with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from freeloc.io.atomic import atomic_path
from freeloc.writers.record import json_text

__all__ = ["write_json_object"]


def write_json_object(
    path: Path, values: Mapping[str, Any], lists: Mapping[str, Iterable[Mapping[str, Any]]]
) -> None:
    """Write a JSON file that contains one object, atomically.

    Args:
        path: the file.
        values: the first keys of the object, and their values.
        lists: the other keys, at least one, and the items of their lists, of which each is written on a line of
            its own.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(json_text(values).removesuffix("}").encode())
        for number, (key, items) in enumerate(lists.items()):
            file.write(b",\n" if values or number else b"\n")
            file.write(json_text({key: []}).removeprefix("{").removesuffix("]}").encode())
            for index, item in enumerate(items):
                file.write(b",\n" if index else b"\n")
                file.write(json_text(item).encode())
            file.write(b"\n]")
        file.write(b"\n}\n")
        file.flush()
        os.fsync(file.fileno())
