"""The check that features fit on the disk, before any of them is computed."""

from __future__ import annotations

import shutil

from freeloc.errors import OutputError
from freeloc.features.cache import FeatureCache
from freeloc.io.progress import print_status

__all__ = ["check_disk_space"]


def check_disk_space(cache: FeatureCache, needed: int, what: str, *, quiet: bool) -> None:
    """Check that the disk has space for features, and say how much they take.

    Args:
        cache: the cache that will contain them.
        needed: their size in bytes.
        what: the features, as a message names them, such as "features of 40 images".
        quiet: whether to say nothing if they fit.

    Raises:
        OutputError: the disk has too little space.
    """
    folder = cache.folder
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        smaller = "" if cache.format == "int8" else ", store features as int8, which takes half the space,"
        raise OutputError(
            f"not enough disk space for the feature cache: it needs {needed / 1e9:.1f} GB, and {existing} has "
            f"{free / 1e9:.1f} GB free; choose another cache folder{smaller} or train without a cache",
            path=folder,
            parameter="cache_folder",
        )
    if not quiet:
        print_status(f"the {what} will take {needed / 1e9:.2f} GB in {folder}")
