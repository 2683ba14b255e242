"""The dataset format for CVAT's files "CVAT for images 1.1".

A class is present in an image if the image has the tag, or a shape with its name.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from freeloc.datasets.annotated_images import AnnotatedImage, build_dataset, names_in
from freeloc.datasets.builder import DatasetBuilder
from freeloc.datasets.cvat.images_xml import CvatFile, CvatImage, read_images_xml
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.formats import DatasetFormat
from freeloc.datasets.images_folder import find_image_or_id
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.xml_events import root_element
from freeloc.errors import DatasetError, MalformedFileError
from freeloc.images.find import is_system_name
from freeloc.io.paths import is_file

__all__ = ["CvatFormat"]

_FILES_TO_TRY: Final = 20
_ROOT: Final = "annotations"
_USUAL_NAME: Final = "annotations.xml"


class CvatFormat(DatasetFormat):
    """Dataset format for CVAT's files "CVAT for images 1.1".

    The classes are the labels of the task, in their order. Images are looked up in the folder given by the option
    ``images`` and, without it, in ``images/`` with or without the name of their subset, and next to the XML file.
    If a folder has several XML files, each is a split.
    """

    layout = "CVAT for images 1.1: a file *.xml, or a folder with annotations.xml"

    def detect(self, path: Path) -> bool:
        """Return whether a path is an XML file of CVAT, or a folder that directly contains one among its first."""
        return any(map(_is_cvat_file, islice(_xml_files(path), _FILES_TO_TRY)))

    def open(self, path: Path, options: OpenOptions) -> Dataset:
        """Read one XML file, or all of a folder."""
        builder = DatasetBuilder(path, options)
        files = [path] if path.is_file() else [file for file in _xml_files(path) if _is_cvat_file(file)]
        if not files:
            raise DatasetError(f"{path} is not a folder of CVAT; expected {self.layout}", path=path)
        contents = []
        for file in files:
            try:
                contents.append(read_images_xml(file, boxes=options.boxes))
            except MalformedFileError as error:
                builder.add_fatal_problem("malformed_file", error.file, error.line, error.reason)
        images = [
            _image_of(image, each, each.file.stem if len(files) > 1 else None, options)
            for each in contents
            for image in each.images
        ]
        declared = dict.fromkeys(label for each in contents for label in each.labels)
        known = (*declared, *(name for name in names_in(images) if name not in declared))
        return build_dataset(path.stem if path.is_file() else path.resolve().name, images, known, builder)


def _xml_files(path: Path) -> list[Path]:
    """Return the XML files at a path."""
    files = [path] if path.is_file() else filter(is_file, path.glob("*.xml"))
    return sorted(file for file in files if not is_system_name(file.name))


def _is_cvat_file(file: Path) -> bool:
    # The usual name suffices for a file that is empty, or whose beginning is damaged.
    root = root_element(file) or (_ROOT if file.name == _USUAL_NAME else "")
    return file.suffix.lower() == ".xml" and root == _ROOT


def _image_of(
    image: CvatImage, contents: CvatFile, split: str | None, options: OpenOptions
) -> AnnotatedImage:
    root = contents.file.parent
    split = image.subset or split
    usual = (*((root / "images" / split,) if split else ()), root / "images", root)
    folders = usual if options.images is None else (options.images,)
    return AnnotatedImage(
        contents.file,
        image.line,
        find_image_or_id(folders, image.name) if image.name else None,
        split=split,
        tags=tuple(image.tags),
        objects=tuple(image.objects),
        size=image.size,
        problems=tuple(image.problems),
    )
