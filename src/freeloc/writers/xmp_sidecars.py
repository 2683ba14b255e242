"""Write XMP sidecars, from which photo managers read keywords and image regions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final
from unicodedata import normalize

from freeloc._log import get_logger
from freeloc.datasets.keywords.image_keywords import read_keywords
from freeloc.datasets.keywords.keyword_paths import KeywordPath
from freeloc.datasets.keywords.metadata_error import MetadataError
from freeloc.datasets.sidecar_files import SidecarFinder
from freeloc.errors import ImageError, OutputError
from freeloc.geometry.box_formats import clip_corners
from freeloc.geometry.fractions import box_fractions
from freeloc.geometry.orientation import ImageFrame, turn_stored
from freeloc.images.image_info import read_image_frame
from freeloc.io.atomic import write_bytes
from freeloc.writers.base import WriterOptions
from freeloc.writers.class_names import check_names
from freeloc.writers.image_files import image_file_name
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter
from freeloc.writers.xml_text import check_xml_names
from freeloc.writers.xmp_document import KEYWORD_LISTS, keyword_items, new_document, region_item
from freeloc.writers.xmp_merge import merge_into_document

__all__ = ["XmpWriter"]

_log = get_logger(__name__)

_FOLDER: Final = "xmp"
_SUFFIX: Final = ".xmp"

_REFUSED: Final = re.compile(r"[/|]|^\s*$")


class XmpWriter(RecordWriter):
    """Writer of one ``xmp/IMAGE.xmp`` per image with a present class, such as ``xmp/street.jpg.xmp``.

    Present classes are keywords. Their boxes are image regions of the IPTC: relative to the sides of the image as
    it is stored, before its EXIF orientation is applied. Regions of the Metadata Working Group are not written,
    since photo managers take them for faces.

    Sidecars next to the images remain as they are. With the option ``merge_sidecars``, the ones that are written
    have their names and contain everything that they contain, as well as the keywords in the images.
    """

    name: ClassVar[str] = "xmp"
    place: ClassVar[str | None] = _FOLDER

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._finder = SidecarFinder(_SUFFIX)
        self._has_announced = False

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Write the sidecar of one image.

        Raises:
            OutputError: the file cannot be written, a keyword cannot have the name of a class, the image has
                regions and cannot be read, or what is to be merged cannot be read.
        """
        check_xml_names(record.names, self.name)
        reason = "keywords are not empty, and contain / and | only between their levels"
        check_names(record.names, _REFUSED, self.name, reason)
        if not record.present:
            return
        image = Path(record.image)
        # The name of a sidecar is that of its image, which "none" returns.
        whole = f"{_FOLDER}/{image_file_name(image, name, 'none')}{_SUFFIX}"
        sidecars = self._sidecars(image)
        names = [each.name for each in record.present]
        if not self.options.merge_sidecars:
            self._announce(sidecars)
            self._write(whole, _new(names, (), _regions(record, self.options, self.folder)))
            return
        paths = _keywords(image, sidecars)
        regions = _regions(record, self.options, self.folder)
        if not sidecars:
            self._write(whole, _new(names, paths, regions))
        for file, sidecar in _merged_files(image, name, whole, sidecars).items():
            self._write(file, _merge(sidecar, names, paths, regions))

    def _sidecars(self, image: Path) -> tuple[Path, ...]:
        """Return the sidecars next to an image."""
        try:
            return tuple(path for path in self._finder.find(image) if path.is_file())
        except OSError:  # records can be converted where the images are not
            return ()

    def _announce(self, sidecars: Sequence[Path]) -> None:
        if sidecars and not self._has_announced:
            self._has_announced = True
            _log.warning(
                "%s and perhaps other sidecars exist, and remain as they are: those in %s contain the predicted "
                "classes alone; set merge_sidecars to write sidecars that contain both",
                sidecars[0],
                self.path_of(_FOLDER),
            )

    def _write(self, file: str, data: bytes) -> None:
        path = self.path_of(file)
        write_bytes(path, data)
        self.files.append(path)


def _merged_files(image: Path, name: str, whole: str, sidecars: Sequence[Path]) -> dict[str, Path]:
    """Return the sidecar that each file to write contains.

    Sidecars keep their names. The sidecar of several images of the prediction, which the base name of each tells,
    is written for each of them under its whole name, unless it has another sidecar of that name.
    """
    is_shared = PurePosixPath(name).name != image.stem
    files: dict[str, Path] = {}
    for sidecar in sidecars:  # those with the whole name of the image come first
        if not is_shared or normalize("NFC", sidecar.stem) == normalize("NFC", image.name):
            files[str(PurePosixPath(whole).with_name(sidecar.name))] = sidecar
        elif not files:
            files[whole] = sidecar
    return files


def _new(names: Sequence[str], paths: Sequence[KeywordPath], regions: Sequence[str]) -> bytes:
    """Return a document with keywords that an image already has, the names of classes, and regions."""
    lists = {each: keyword_items(each, paths, names) for each in KEYWORD_LISTS}
    return new_document({each: items for each, items in lists.items() if items is not None}, regions).encode()


def _merge(
    sidecar: Path, names: Sequence[str], paths: Sequence[KeywordPath], regions: Sequence[str]
) -> bytes:
    try:
        return merge_into_document(sidecar.read_bytes(), names, paths, regions)
    except MetadataError as error:
        raise _not_merged(sidecar, error.reason, error.line) from error
    except OSError as error:
        raise _not_merged(sidecar, str(error.strerror)) from error


def _keywords(image: Path, sidecars: Sequence[Path]) -> tuple[KeywordPath, ...]:
    """Return the keywords that an image already has."""
    found = read_keywords(image, sidecars)
    for problem in found.problems:
        raise _not_merged(problem.file or image, problem.message, problem.line)
    return found.paths


def _not_merged(path: Path, reason: str, line: int | None = None) -> OutputError:
    place = path if line is None else f"{path}, line {line}"
    return OutputError(
        f"cannot keep what {place} contains: {reason}; or write sidecars that contain the predicted classes alone",
        path=path,
        parameter="merge_sidecars",
    )


def _regions(record: ImageRecord, options: WriterOptions, folder: Path | None) -> list[str]:
    """Return the regions of the boxes of present classes."""
    boxes = [
        (each.name, box.corners)
        for each in record.annotations(options.min_box_score)
        for box in each.boxes or ()
        if clip_corners(box.corners, record.size) is not None
    ]
    if not boxes:
        return []
    frame = _frame_of(record, folder)
    return [
        region_item(number, name, box_fractions(turn_stored(corners, frame), frame.stored))
        for number, (name, corners) in enumerate(boxes, start=1)
    ]


def _frame_of(record: ImageRecord, folder: Path | None) -> ImageFrame:
    """Return how an image is stored."""
    place = f"a sidecar of {record.image} to {folder}"
    try:
        frame = read_image_frame(Path(record.image))
    except ImageError as error:
        raise OutputError(
            f"cannot write {place}: regions depend on how the image is stored, but {error}; restore it, or "
            "predict without boxes"
        ) from error
    if frame.upright != record.size:
        found, expected = frame.upright, record.size
        raise OutputError(
            f"cannot write {place}: the image has {found.width}×{found.height} pixels, but had "
            f"{expected.width}×{expected.height} when it was predicted; predict it again"
        )
    return frame
