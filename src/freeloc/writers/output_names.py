"""Unique names for the output files of images."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["output_names"]


def output_names(paths: Sequence[Path]) -> list[str]:
    """Return a unique name without a suffix for the output files of each image.

    A name is the image's path relative to the deepest folder that contains all images, without its suffix and
    with ``/`` between folders: ``album/a/x.jpg`` and ``album/b/x.jpg`` become ``a/x`` and ``b/x``. Images that
    differ only in their suffix keep it: ``x.jpg`` and ``x.png``. Names are compared case-insensitively,
    because some file systems ignore case; images that differ only in case are numbered ``~2``, ``~3``, … in
    the order of their sorted paths.

    The names depend on the set of paths, not on their order; repeated paths get the same name. Paths are made
    absolute and compared without following links.

    Returns:
        One name per path, in the order of ``paths``.
    """
    # Path.resolve would follow links, for example into content-addressed storage, where files have other names.
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100
    unique = sorted(set(absolute))
    with_suffix = {
        path: "/".join(parts) for path, parts in zip(unique, _below_common_folder(unique), strict=True)
    }
    names = {path: name.removesuffix(path.suffix) for path, name in with_suffix.items()}
    while True:
        counts = Counter(map(_normalized, names.values()))
        shared = [
            path
            for path in unique
            if counts[_normalized(names[path])] > 1 and names[path] != with_suffix[path]
        ]
        if not shared:
            break
        names.update((path, with_suffix[path]) for path in shared)
    used: set[str] = set()
    for path in unique:
        name, number = names[path], 1
        while _normalized(names[path]) in used:
            number += 1
            names[path] = f"{name}~{number}"
        used.add(_normalized(names[path]))
    return [names[path] for path in absolute]


def _below_common_folder(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    """Return the parts of each path relative to the deepest common folder."""
    folders = [path.parts[:-1] for path in paths]
    depth = 0
    while folders and all(len(folder) > depth and folder[depth] == folders[0][depth] for folder in folders):
        depth += 1
    # Images on different Windows drives have no common folder: the drive "C:\\" becomes the folder "C".
    return [
        tuple(part.strip(":\\/") if part == path.anchor else part for part in path.parts[depth:])
        for path in paths
    ]


def _normalized(name: str) -> str:
    """Remove the differences in case and Unicode composition that some file systems ignore in names."""
    return unicodedata.normalize("NFC", name).casefold()
