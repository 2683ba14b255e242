"""Image files beside annotations that are read together with them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from freeloc._literals import ImageFiles
from freeloc.io.atomic import atomic_path, output_error

__all__ = ["place_image"]


def place_image(source: Path, target: Path, how: ImageFiles) -> bool:
    """Link or copy an image file.

    Args:
        source: the image file.
        target: where other programs look for it; an existing file is replaced.
        how: "link" for a symbolic link, or a copy where the system does not allow links; "copy" for a copy; "none"
            to do nothing.

    Returns:
        Whether there is now a file at ``target``.

    Raises:
        OutputError: the image file does not exist, or the target cannot be written.
    """
    if how == "none":
        return False
    if not source.is_file():
        raise output_error(target, f"the image {source} does not exist")
    with atomic_path(target) as temporary:
        if how == "link":
            try:
                temporary.symlink_to(os.path.abspath(source))  # noqa: PTH100 - resolve would follow links
            except (OSError, NotImplementedError):
                shutil.copyfile(source, temporary)
        else:
            shutil.copyfile(source, temporary)
    return True
