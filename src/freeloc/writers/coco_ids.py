"""The IDs of images and categories in COCO's formats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from freeloc._literals import ImageFiles
from freeloc.datasets.coco.categories import COCO_CATEGORY_IDS
from freeloc.writers.image_files import image_file_name
from freeloc.writers.record_writer import CollectedRecords

__all__ = ["CocoIds"]

_NUMBERED: Final = re.compile(r"(?:COCO_[a-z]+\d{4}_)?(\d{1,15})", re.ASCII)
"""Names such as 000000000139 and COCO_val2014_000000000139, which contain the ID of the image."""

_COCO_DIGITS: Final = 12
"""Number of digits in the names of COCO's images."""


@dataclass(frozen=True)
class CocoIds:
    """The IDs of images and categories.

    If the names of all images are numbers, these are the IDs of the images; otherwise, images are counted from 1.
    If the images are named as COCO's, with twelve digits, and all classes are COCO's, these have COCO's IDs;
    otherwise, classes are counted from 1.

    Attributes:
        images: the ID of each image, in the order of the records.
        categories: the ID of each class, in the order of the model.
    """

    images: tuple[int, ...]
    categories: dict[str, int]

    @classmethod
    def of(cls, records: CollectedRecords) -> CocoIds:
        """Choose IDs for the images and classes of records."""
        numbers: list[int] = []
        is_coco = set(records.names) <= COCO_CATEGORY_IDS.keys()
        for record, _ in records:
            match = _NUMBERED.fullmatch(Path(record.image).stem)
            if match is None:
                break
            numbers.append(int(match[1]))
            is_coco = is_coco and len(match[1]) == _COCO_DIGITS
        are_numbered = len(set(numbers)) == len(records)
        images = tuple(numbers) if are_numbered else tuple(range(1, len(records) + 1))
        counted = {name: index + 1 for index, name in enumerate(records.names)}
        coco = (
            {name: COCO_CATEGORY_IDS[name] for name in records.names} if is_coco and are_numbered else counted
        )
        return cls(images, coco)

    def image_entries(self, records: CollectedRecords, how: ImageFiles) -> Iterator[dict[str, Any]]:
        """Yield what COCO's files state about each image.

        Args:
            records: the records from which the IDs were made.
            how: what is written of the image files; it determines their names.
        """
        for image_id, (record, name) in zip(self.images, records, strict=True):
            file_name = image_file_name(Path(record.image), name, how)
            yield {"id": image_id, "file_name": file_name, "width": record.width, "height": record.height}
