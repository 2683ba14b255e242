"""Records on standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Self

from freeloc.writers.jsonl import _line

__all__ = ["StandardOutput"]


class StandardOutput:
    """Records on standard output, each as soon as it is there: words on a terminal, JSON lines elsewhere.

    Attributes:
        count: records written so far.
    """

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record.

        Raises:
            OSError: standard output is closed or full.
        """
        if sys.stdout.isatty():
            sys.stdout.write(_words(record))
        else:
            # As bytes: a line is UTF-8 whatever the terminal's encoding.
            sys.stdout.buffer.write(_line(record))
        sys.stdout.flush()
        self.count += 1

    def __exit__(self, *_: object) -> None: ...


def _words(record: Mapping[str, Any]) -> str:
    """The classes that are present, a line each, under the image's name."""
    found = [entry for entry in record["classes"] if entry["present"]]
    lines = [
        f"  {entry['name']} {entry['probability']:.2f} at ({entry['x']:.0f}, {entry['y']:.0f})"
        for entry in found
    ]
    lines = [f"{record['image']}{'' if found else ': nothing found'}", *lines]
    # Names are anybody's: no sign in them shall steer the terminal.
    printable = ("".join(sign if sign.isprintable() else "?" for sign in line) for line in lines)
    return "\n".join([*printable, ""])
