"""Find the image files to which the addresses in a Label Studio export refer."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from freeloc.datasets.images_folder import find_by_ending
from freeloc.datasets.nearby_files import NearbyFiles
from freeloc.datasets.tags.class_folders import entries_of, is_image_name

__all__ = ["ImageAddresses", "is_address"]

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_LOCAL_FILES: Final = "/data/local-files/"
_UPLOADS: Final = "/data/upload/"
_UPLOAD_PREFIX: Final = re.compile(r"[0-9a-f]{8}-(?=.)")
"""Start of the name under which Label Studio stores an uploaded file."""


def is_address(text: str) -> bool:
    """Return whether a text is the address of an image, rather than any other data of a task.

    Example:
        >>> [is_address(text) for text in ("/data/upload/1/abcd1234-a.jpg", "s3://b/a.png?v=1", "a dog")]
        [True, True, False]
    """
    return text.startswith((_LOCAL_FILES, _UPLOADS)) or is_image_name(re.split(r"[/\\]", _path_of(text))[-1])


class ImageAddresses:
    """Finds the images of an export in one folder.

    Args:
        folder: the folder that contains the images, or any part of Label Studio's storage with them.

    Example:
        >>> images = ImageAddresses(Path("holiday"))
        >>> images.find("/data/upload/3/0123abcd-a.jpg"), images.find("/data/local-files/?d=photos/a.jpg")
        (PosixPath('holiday/a.jpg'), PosixPath('holiday/a.jpg'))
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._nearby = NearbyFiles()

    def find(self, address: str) -> Path | None:
        """Return the file to which an address refers, or None if there is none in the folder.

        Uploaded files are found under the name in Label Studio's storage, and under the one that they had before.
        """
        path = _path_of(address)
        found = find_by_ending(self.folder, path)
        if found is None and _URL.match(address):  # some programs keep the escapes when they download a file
            return find_by_ending(self.folder, _escaped_path(address))
        if found is not None or not address.startswith(_UPLOADS):
            return found
        stored = _UPLOAD_PREFIX.sub("", path.rsplit("/", 1)[-1])
        found = find_by_ending(self.folder, stored)
        names = self._by_stored_name.get(stored, ())
        return self.folder / names[0] if found is None and len(names) == 1 else found

    def expected(self, address: str) -> Path:
        """Return the path at which an image that was not found is missing."""
        name = _path_of(address).lstrip("/")
        if address.startswith(_UPLOADS):
            name = _UPLOAD_PREFIX.sub("", name.rsplit("/", 1)[-1])
        return self.folder / name

    def missing(self, address: str) -> str:
        """Return what is wrong with an address whose image was not found, and how to mend it."""
        if _URL.match(address):
            return (
                f"the image is at {address}, from where freeloc does not download: download the images, and set "
                "images to their folder"
            )
        other = self._nearby.find(self.expected(address))
        hint = "" if other is None else f", but {other} exists: correct the name, or"
        mend = "set images to the folder that contains the images"
        return f"image {address} is not in {self.folder}{hint or ':'} {mend}"

    @cached_property
    def _by_stored_name(self) -> dict[str, list[str]]:
        """The names of the files in the folder by the name under which an upload stores them."""
        names: dict[str, list[str]] = defaultdict(list)
        for name in sorted(entry.name for entry in entries_of(self.folder)):
            names[_stored_name(name)].append(name)
        return names


def _escaped_path(address: str) -> str:
    """Return the path of a URL as it is written, with its escapes; the address itself if it is no valid URL."""
    try:
        return urlsplit(address).path
    except ValueError:
        return address


def _path_of(address: str) -> str:
    """Return the path of an image in the storage of Label Studio, or on the server of a URL."""
    if address.startswith(_LOCAL_FILES):
        return parse_qs(urlsplit(address).query).get("d", [""])[0]
    if _URL.match(address):
        return unquote(_escaped_path(address))
    return unquote(address) if address.startswith(_UPLOADS) else address


def _stored_name(name: str) -> str:
    """Return a file name without the characters that the web framework of Label Studio removes from uploads."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))
