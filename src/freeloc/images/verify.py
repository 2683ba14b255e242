"""A whole look at images before any long work: every one is decoded once, as cheaply as its kind allows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from freeloc.errors import FreelocError
from freeloc.images.decode import open_reduced
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import track

__all__ = ["decoding_problems"]

_MANY = 500
"""From so many images on, progress is shown."""

# More would gain little, because some of the work holds the interpreter lock, and take more memory.
_THREADS = min(4, os.cpu_count() or 1)

_ADVICE = " or leave it out"


def decoding_problems(paths: Sequence[Path], *, quiet: bool = False) -> Iterator[str]:
    """Decode images and say what is wrong with each.

    What `freeloc.images.decode` refuses is refused, and nothing else. JPEG files are decoded at an eighth of
    their size: all their data is read then, but few pixels are made.

    Args:
        paths: the images.
        quiet: show no progress, however many they are.

    Yields:
        For each image in turn a sentence that names it, or nothing where all is well.
    """
    faults = prefetch(_fault, paths, threads=_THREADS)
    return track(faults, "checking images", len(paths), quiet=quiet or len(paths) < _MANY)


def _fault(path: Path) -> str:
    try:
        open_reduced(path, 1)
    except FreelocError as error:
        # The report itself says how to leave images out.
        return str(error).removesuffix(_ADVICE).removesuffix(",")
    return ""
