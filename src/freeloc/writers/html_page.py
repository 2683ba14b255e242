"""Write a page with all images, their points and maps, sorted by doubt, and the pictures beside it.

``html/index.html`` shows some images at a time, by class and name (`freeloc.visualization.paged_gallery`).
``html/pictures`` contains a picture of each image with the points of its present classes, and up to four maps.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from PIL import Image

from freeloc._printable import printable
from freeloc.inference.origin import image_title
from freeloc.inference.result import Localization
from freeloc.io.appended_file import AppendedFile
from freeloc.io.atomic import atomic_path, output_error
from freeloc.io.progress import pluralize
from freeloc.visualization.data_uri import encode_jpeg
from freeloc.visualization.doubt import Doubt
from freeloc.visualization.gallery_panels import draw_gallery_panels
from freeloc.visualization.paged_gallery import (
    Kind,
    Outcome,
    embed_json,
    picture_name,
    picture_path,
    render_around,
)
from freeloc.writers.appending import AppendingWriter

__all__ = ["HtmlWriter"]

_FOLDER: Final = "html"
_FILE: Final = f"{_FOLDER}/index.html"
_PICTURES: Final = "pictures"
_UNFINISHED: Final = "html.unfinished.jsonl"

_KINDS: Final = (
    Kind("all", "all images", (0,), with_empty=True),
    Kind("found", "with a class", (0,)),
    Kind("nothing", "without a class", (), with_empty=True),
)
_PRESENT: Final = Outcome("✓", "", "right")


class HtmlWriter(AppendingWriter):
    """Writer of ``html/index.html`` and ``html/pictures``.

    Until all images are predicted, what the page says about them is kept in an unfinished file, from which an
    interrupted prediction is continued. Memory use grows by some 50 bytes per image.
    """

    name: ClassVar[str] = "html"
    place: ClassVar[str | None] = _FOLDER
    needs_image = True

    def __enter__(self) -> Self:
        """Open the unfinished file.

        Raises:
            OutputError: the file cannot be written.
        """
        self.temporary_path_of(_UNFINISHED)
        self._file = AppendedFile(self._unfinished, self._keep)
        return self

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:
        """Write the pictures of one image, and keep what the page says about it.

        Raises:
            OutputError: a file cannot be written.
            ValueError: ``image`` is None, or the writer is not open.
        """
        if image is None or self._file is None:
            raise ValueError("the page needs the decoded image, and an open writer")
        options = self.options
        present = result.present(options.threshold)
        doubt = Doubt.about(result, options.threshold)
        panel, maps = draw_gallery_panels(
            image, result, present, doubt.location, peaks=options.peaks, boxes=options.boxes
        )
        file = picture_name(name)
        self._write_picture(file, panel)
        for number, (_, drawn) in enumerate(maps):
            self._write_picture(f"{file}-{number}", drawn)
        numbers = {each: number for number, each in enumerate(result.classes)}
        entry = [
            printable(image_title(str(path), result.frame, result.time)),
            *(file, *panel.size),
            [[numbers[each.name], 0, None, None, round(each.probability, 2)] for each in present],
            [numbers[each.name] for each, _ in maps],
            printable(doubt.text),
        ]
        if self._file.length == 0:
            self._append({"classes": result.classes})
        self._append({"margin": doubt.margin, "image": entry})

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the page, unless the block ended with an error.

        Raises:
            OutputError: the page cannot be written, or the unfinished file is damaged.
        """
        self.close()
        try:
            if exception is None:
                self._write_page()
        finally:
            if self.on_new_file is None:  # nobody continues the output, and nobody else deletes the file
                self._unfinished.unlink(missing_ok=True)

    @property
    def _unfinished(self) -> Path:
        if self.folder is None:
            raise ValueError("the page has no output folder")
        return self.folder / _UNFINISHED

    def _append(self, values: dict[str, Any]) -> None:
        assert self._file is not None  # noqa: S101 - for the type checker
        self._file.append(json.dumps(values).encode("ascii") + b"\n")

    def _write_picture(self, file: str, picture: Image.Image) -> None:
        path = self.path_of(f"{_FOLDER}/{_PICTURES}/{picture_path(file)}")
        # The picture is not flushed to the disk, which would take longer than everything else.
        with atomic_path(path) as temporary:
            temporary.write_bytes(encode_jpeg(picture))
        self.files.append(path)

    def _write_page(self) -> None:
        path = self.path_of(_FILE)
        try:
            kept = _Kept(self._unfinished)
            before, after = render_around(
                "Predictions", _lead(kept), kept.classes, os.fsencode(_PICTURES), _KINDS, [_PRESENT]
            )
            with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.write(before)
                for number, image in enumerate(kept.images()):
                    file.write(("," if number else "") + embed_json(image))
                file.write(after)
                file.flush()
                os.fsync(file.fileno())
        except (ValueError, KeyError, TypeError) as error:
            raise output_error(self._unfinished, f"it is damaged ({error})") from error
        self.files.append(path)


class _Kept:
    """What the unfinished file says about all images.

    Attributes:
        classes: the class names.
        found: the number of images with a present class.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._margins, self._places = array("d"), array("q")
        self.classes: tuple[str, ...] = ()
        self.found = 0
        with path.open("rb") as lines:
            place = 0
            for line in lines:
                values = json.loads(line)
                if place == 0:
                    self.classes = tuple(values["classes"])
                else:
                    self._margins.append(values["margin"])
                    self._places.append(place)
                    self.found += bool(values["image"][4])
                place += len(line)

    def __len__(self) -> int:
        return len(self._places)

    def images(self) -> Iterator[list[Any]]:
        """Yield the images, those in most doubt first."""
        with self._path.open("rb") as file:
            for index in sorted(range(len(self)), key=self._margins.__getitem__):
                file.seek(self._places[index])
                yield json.loads(file.readline())["image"]


def _lead(kept: _Kept) -> list[str]:
    text = (
        f"{pluralize(len(kept), 'image')}, {kept.found:,} of them with at least one class that reaches its "
        "threshold. Images are sorted by doubt: by the distance, in log-odds, from the threshold of the class "
        "that is closest to it. The images of a class are sorted by its probability. Point at a class to see its "
        "map."
    )
    return [text]
