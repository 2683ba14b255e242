"""Image files beside annotations that are read together with them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from freeloc._literals import ImageFiles
from freeloc.errors import ImageError, OutputError
from freeloc.images.identify import identify, open_file
from freeloc.io.atomic import atomic_path, output_error

__all__ = ["image_file_name", "place_image"]

_USUAL_SUFFIXES: Final = frozenset((".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"))
"""Suffixes by which all programs find images, in lower case."""

_SUFFIXES: Final = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
}
"""The suffix of each format, by Pillow's name for it."""


def image_file_name(source: Path, name: str, how: ImageFiles) -> str:
    """Return by which name annotations refer to an image file.

    Args:
        source: the image file.
        name: base name of the image's output files; see `freeloc.writers.output_names`.
        how: what is written of the image file; see `place_image`.

    Returns:
        The name of the linked or copied file, which differs from those of all other images even without its
        suffix. An unusual suffix, or none, is replaced by that of the format. With "none", the path of the image
        file relative to the deepest folder that contains all images.
    """
    if how != "none":
        return name + _suffix(source)
    # Base names may have a suffix or a number more than the path has, but they have as many folders.
    path = Path(os.path.abspath(source))  # noqa: PTH100 - as below
    parts = path.parts[-(name.count("/") + 1) :]
    return "/".join(part.strip(":\\/") if part == path.anchor else part for part in parts)


def _suffix(source: Path) -> str:
    if source.suffix.lower() in _USUAL_SUFFIXES:
        return source.suffix
    try:
        with open_file(source) as file:
            return _SUFFIXES.get(identify(file, source).format or "", source.suffix)
    except ImageError:  # `place_image` says whether the file exists
        return source.suffix


def place_image(source: Path, target: Path, how: ImageFiles) -> bool:
    """Link or copy an image file.

    Args:
        source: the image file.
        target: where other programs look for it; an existing file or link is replaced.
        how: "link" for a symbolic link, or a copy where the system does not allow links; "copy" for a copy; "none"
            to do nothing.

    Returns:
        Whether there is now a file at ``target``.

    Raises:
        OutputError: the image file does not exist, it is itself at ``target``, or the target cannot be written.
    """
    if how == "none":
        return False
    if not source.is_file():
        raise OutputError(
            f"cannot write {target}: the image {source} does not exist; restore it, specify the folder in which "
            "relative paths start, or write no image files",
            path=target,
            parameter="image_files",
        )
    _remove_link(target)
    if target.exists() and target.samefile(source):
        raise output_error(target, "this is the image itself")
    with atomic_path(target) as temporary:
        if how == "link":
            try:
                temporary.symlink_to(os.path.abspath(source))  # noqa: PTH100 - resolve would follow links
            except (OSError, NotImplementedError):
                shutil.copyfile(source, temporary)
        else:
            shutil.copyfile(source, temporary)
    return True


def _remove_link(target: Path) -> None:
    """Remove a link that an interrupted process has left; `atomic_path` would replace the image it leads to."""
    try:
        if target.is_symlink():
            target.unlink()
    except OSError as error:
        raise output_error(target, error) from error
