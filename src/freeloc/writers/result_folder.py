"""Write one result to a folder: its record, its score maps, its overlay, and a manifest.

``manifest.json`` says what the other files are of, and lists each with its SHA-256::

    {
      "manifest": 1,
      "image": "album/0001.jpg",        as in the record, like "model", "preset", "precision" and "freeloc"
      …
      "options": {"classes": null, "threshold": null, "peaks": 0, "boxes": 3, "masks": false},
      "files": {"result.json": "5f1c…", "maps.npz": "90ab…", "overlay.jpg": "77d2…"}
    }

It is written before the other files, with null in place of the hashes, and once more when they are complete.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from PIL import Image

from freeloc.errors import OutputError
from freeloc.inference.result import Localization
from freeloc.io.atomic import check_output_folder, output_error, write_bytes, write_text
from freeloc.visualization.image_files import save_image
from freeloc.writers.npz_maps import write_maps
from freeloc.writers.record import json_line

__all__ = ["save_result_folder"]

_VERSION: Final = 1
_MANIFEST: Final = "manifest.json"
_RECORD: Final = "result.json"
_MAPS: Final = "maps.npz"
_OVERLAY: Final = "overlay.jpg"
_FILES: Final = (_RECORD, _MAPS, _OVERLAY)

_ORIGIN: Final = ("image", "frame", "time", "model", "preset", "precision", "freeloc")
"""The fields of a record that say what it is of."""


def save_result_folder(
    result: Localization,
    folder: Path,
    record: Mapping[str, Any],
    overlay: Image.Image,
    options: Mapping[str, Any],
) -> None:
    """Write a result to a folder, in place of an earlier one that was written there.

    Other files in the folder remain. If a file cannot be written, none of the result remains.

    Args:
        result: the result.
        folder: the folder, which is created if necessary.
        record: its record.
        overlay: its overlay.
        options: what the files contain, as JSON values.

    Raises:
        OutputError: a file cannot be written, or the folder contains a file of that name that is not listed in a
            manifest.
    """
    check_output_folder(folder)
    _check_files(folder)
    is_new = not folder.exists()
    origin = {key: record[key] for key in _ORIGIN if key in record}
    manifest = {"manifest": _VERSION, **origin, "options": dict(options)}
    try:
        _write_manifest(folder, {**manifest, "files": dict.fromkeys(_FILES)})
        write_bytes(folder / _RECORD, json_line(record))
        write_maps(folder / _MAPS, result, classes=options["classes"], threshold=options["threshold"])
        save_image(overlay, folder / _OVERLAY)
        _write_manifest(folder, {**manifest, "files": {name: _digest(folder / name) for name in _FILES}})
    except BaseException:
        with suppress(OSError):
            for name in (*_FILES, _MANIFEST):
                (folder / name).unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
        raise


def _check_files(folder: Path) -> None:
    """Check that no file would be replaced but those of an earlier result."""
    listed = _listed_files(folder / _MANIFEST)
    for name in (_MANIFEST, *_FILES):
        if name not in listed and os.path.lexists(folder / name):
            raise OutputError(
                f"{folder} already contains {name}, and no manifest says that it is of a result: choose another "
                "folder, or remove the file",
                path=folder / name,
            )


def _listed_files(manifest: Path) -> set[str]:
    """Return the names of the files of an earlier result."""
    try:
        values = json.loads(manifest.read_bytes())
        is_known = values["manifest"] == _VERSION and set(values["files"]) == set(_FILES)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {_MANIFEST, *_FILES} if is_known else set()


def _write_manifest(folder: Path, values: Mapping[str, Any]) -> None:
    write_text(folder / _MANIFEST, json.dumps(values, indent=2) + "\n")


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise output_error(path, error) from error
