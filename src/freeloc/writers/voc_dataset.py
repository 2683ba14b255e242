"""Write datasets in the layout of Pascal VOC.

``voc/Annotations`` contains one XML file per image with the boxes of its present classes: the first and last pixel
in each direction, counted from 1, in the upright image. ``voc/JPEGImages`` contains the images, and
``voc/ImageSets/Main/trainval.txt`` lists their names without suffix.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self
from xml.sax.saxutils import escape

from freeloc.datasets.class_names import clean_name
from freeloc.geometry.box_formats import voc_pixels
from freeloc.io.appended_file import AppendedFile
from freeloc.io.atomic import write_text
from freeloc.writers.appending import AppendingWriter
from freeloc.writers.class_names import check_names
from freeloc.writers.clipped_boxes import clipped_boxes
from freeloc.writers.image_files import image_file_name, place_image
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter
from freeloc.writers.xml_text import check_xml_names

__all__ = ["VocDatasetWriter"]

_LIST: Final = "voc/ImageSets/Main/trainval.txt"

_NOT_IN_A_LINE: Final = re.compile(r"[\r\n]|^\s|\s$")

_OBJECT: Final = """\
  <object>
    <name>{name}</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>0</difficult>
    <bndbox>
      <xmin>{0}</xmin>
      <ymin>{1}</ymin>
      <xmax>{2}</xmax>
      <ymax>{3}</ymax>
    </bndbox>
  </object>
"""

_ANNOTATION: Final = """\
<annotation>
  <folder>JPEGImages</folder>
  <filename>{file_name}</filename>
  <source>
    <database>Predicted by freeloc</database>
  </source>
  <size>
    <width>{width}</width>
    <height>{height}</height>
    <depth>3</depth>
  </size>
  <segmented>0</segmented>
{objects}</annotation>
"""


class VocDatasetWriter(RecordWriter, AppendingWriter):
    """Writer of ``voc``: annotations of the boxes of present classes, with the images and a list of them.

    Edges are moved to the nearest edges of pixels. Boxes are clipped to the image; no box is written twice, or
    without an area.
    """

    name: ClassVar[str] = "voc"
    needs_boxes: ClassVar[bool] = True
    place: ClassVar[str | None] = "voc"

    def __enter__(self) -> Self:
        """Open the list of images."""
        path = self.path_of(_LIST)
        self._file = AppendedFile(path, self._keep)
        self.files.append(path)
        return self

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Write the annotation of one image, and link or copy the image.

        Raises:
            OutputError: a file cannot be written, or a name cannot be written in the format.
            ValueError: the writer is not open.
        """
        if self._file is None:
            raise ValueError("a VocDatasetWriter can only write inside its with block")
        source, how = Path(record.image), self.options.image_files
        file_name = image_file_name(source, name, how)
        self._check_names(record, name, file_name)
        if how != "none":
            target = self.path_of(f"voc/JPEGImages/{file_name}")
            place_image(source, target, how)
            self.files.append(target)
        path = self.path_of(f"voc/Annotations/{name}.xml")
        write_text(path, self._annotation(record, file_name))
        self.files.append(path)
        self._file.append(f"{name}\n".encode())

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the list of images."""
        self.close()

    def _check_names(self, record: ImageRecord, name: str, file_name: str) -> None:
        check_xml_names(record.names, self.name)
        changed = [each for each in record.names if clean_name(each) != each]
        reason = (
            "spaces at the ends, line breaks and invisible characters are lost when a VOC annotation is read"
        )
        check_names(changed, re.compile(""), self.name, reason)
        check_xml_names([file_name], self.name, "image")
        check_names([name], _NOT_IN_A_LINE, self.name, "it would not be one line of a list", "image")

    def _annotation(self, record: ImageRecord, file_name: str) -> str:
        objects: dict[str, None] = {}
        for each in record.annotations(self.options.min_box_score):
            for box in clipped_boxes(each.boxes or (), record.size):
                pixels = voc_pixels(box.corners, record.size)
                objects[_OBJECT.format(*pixels, name=escape(each.name))] = None
        return _ANNOTATION.format(
            file_name=escape(file_name), width=record.width, height=record.height, objects="".join(objects)
        )
