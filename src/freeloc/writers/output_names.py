"""Names for files made from images."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["output_names"]


def output_names(paths: Sequence[Path]) -> list[str]:
    """Names for files made from images, without an ending, so that no two images share one.

    A name is the image's path below the deepest folder that holds them all, without its ending, with
    ``/`` between folders: ``album/a/x.jpg`` and ``album/b/x.jpg`` give ``a/x`` and ``b/x``; images of one
    folder give their bare names. Images that would still share a name, because they differ in their
    endings only, keep them: ``x.jpg`` and ``x.png``. Upper and lower case count as the same, for some disks
    hold them so; images that differ in case only get ``~2``, ``~3``, … in the order of their sorted paths.

    The names depend on the set of paths alone, not on their order; a path given twice gets the same name
    twice. Paths are compared as written (made absolute), links are not followed.

    Returns:
        One name per path, in the order of ``paths``.
    """
    # Path.resolve would follow links, into stores where files have other names.
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100
    unique = sorted(set(absolute))
    whole = {path: "/".join(parts) for path, parts in zip(unique, _below_common_folder(unique), strict=True)}
    names = {path: name.removesuffix(path.suffix) for path, name in whole.items()}
    while True:
        counts = Counter(map(_folded, names.values()))
        shared = [path for path in unique if counts[_folded(names[path])] > 1 and names[path] != whole[path]]
        if not shared:
            break
        names.update((path, whole[path]) for path in shared)
    taken: set[str] = set()
    for path in unique:
        name, number = names[path], 1
        while _folded(names[path]) in taken:
            number += 1
            names[path] = f"{name}~{number}"
        taken.add(_folded(names[path]))
    return [names[path] for path in absolute]


def _below_common_folder(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    folders = [path.parts[:-1] for path in paths]
    depth = 0
    while folders and all(len(folder) > depth and folder[depth] == folders[0][depth] for folder in folders):
        depth += 1
    # Images on several Windows drives share no folder: "C:\\" becomes the folder "C".
    return [
        tuple(part.strip(":\\/") if part == path.anchor else part for part in path.parts[depth:])
        for path in paths
    ]


def _folded(name: str) -> str:
    """What a disk that ignores case, or composes accents, takes a name for."""
    return unicodedata.normalize("NFC", name).casefold()
