"""The argument IMAGES of several commands: files, folders, glob patterns, lists of them, or an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import DATA

__all__ = ["Recursive", "read_image_arguments"]

Recursive = Annotated[
    bool,
    typer.Option(
        "--recursive/--no-recursive",
        help="Whether a folder among IMAGES includes its subfolders.",
        rich_help_panel=DATA,
    ),
]


def read_image_arguments(
    words: list[str],
    *,
    recursive: bool,
    quiet: bool,
    exclude: Sequence[Path] = (),
    takes_videos: bool = False,
) -> tuple[Path, ...]:
    """Return the images that IMAGES stands for, and print what was skipped.

    Args:
        words: the words of the command line; see `freeloc.images.path_lists.expand_path_lists`.
        recursive: whether a folder includes its subfolders.
        quiet: whether to hide what was skipped.
        exclude: folders to leave out of the search, such as those of the output of an earlier run.
        takes_videos: whether the command also takes videos, so that those in folders count as skipped.

    Raises:
        ImageError: see `freeloc.images.find.find_images`.
    """
    from freeloc.images.find import advice, find_images
    from freeloc.images.path_lists import expand_path_lists
    from freeloc.io.progress import pluralize, print_status

    found = find_images(expand_path_lists(words, quiet=quiet), recursive=recursive, exclude=exclude)
    if quiet:
        return found.paths
    for suffix, count in sorted(found.unsupported.items()):
        print_status(
            f"skipped {pluralize(count, f'{suffix} file')}: freeloc cannot read this format; {advice([suffix])}"
        )
    for link in found.broken_links:
        print_status(f"skipped {link}: it is a link to a file that does not exist")
    if takes_videos and found.videos:
        print_status(f"skipped {pluralize(found.videos, 'video')} in folders: specify videos by name")
    return found.paths
