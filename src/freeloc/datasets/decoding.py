"""A whole look at photographs before any long work: every one is decoded once, as cheaply as its kind allows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from freeloc.errors import FreelocError
from freeloc.overlap import ahead
from freeloc.photographs import open_reduced
from freeloc.progress import track

__all__ = ["decoding_faults"]

_MANY = 500
"""From so many photographs on, progress is shown."""

# More would gain little, because some of the work holds the interpreter lock, and take more memory.
_THREADS = min(4, os.cpu_count() or 1)

_ADVICE = " or leave it out"


def decoding_faults(paths: Sequence[Path], *, quiet: bool = False) -> Iterator[str]:
    """Decode photographs and say what is wrong with each.

    What `freeloc.photographs` refuses is refused, and nothing else. JPEG files are decoded at an eighth of
    their size: all their data is read then, but few pixels are made.

    Args:
        paths: the photographs.
        quiet: show no progress, however many they are.

    Yields:
        For each photograph in turn a sentence that names it, or nothing where all is well.
    """
    faults = ahead(_fault, paths, threads=_THREADS)
    return track(faults, "checking photographs", len(paths), quiet=quiet or len(paths) < _MANY)


def _fault(path: Path) -> str:
    try:
        open_reduced(path, 1)
    except FreelocError as error:
        # The report itself says how to leave photographs out.
        return str(error).removesuffix(_ADVICE).removesuffix(",")
    return ""
