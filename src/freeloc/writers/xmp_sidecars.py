"""Write XMP sidecars, from which photo managers read keywords and image regions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final
from xml.sax.saxutils import escape

from freeloc.errors import ImageError, OutputError
from freeloc.geometry.box import Corners
from freeloc.geometry.fractions import box_fractions
from freeloc.geometry.orientation import ImageFrame, turn_stored
from freeloc.images.image_info import read_image_frame
from freeloc.io.atomic import write_text
from freeloc.writers.class_names import check_names
from freeloc.writers.image_files import image_file_name
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter
from freeloc.writers.xml_text import check_xml_names, xml_attributes

__all__ = ["XmpWriter"]

_FOLDER: Final = "xmp"

_SEPARATOR: Final = re.compile(r"[/|]")

_NAMESPACES: Final = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}

_KEYWORDS: Final = {"digiKam:TagsList": "Seq", "lr:hierarchicalSubject": "Bag", "dc:subject": "Bag"}
"""The properties that contain keywords, and what kind of list each is: no program reads all of them."""

_START: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
)
_END: Final = '</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n'


class XmpWriter(RecordWriter):
    """Writer of one ``xmp/IMAGE.xmp`` per image with a present class, such as ``xmp/street.jpg.xmp``.

    Present classes are keywords. Their boxes are image regions of the IPTC: relative to the sides of the image as
    it is stored, before its EXIF orientation is applied. Regions of the Metadata Working Group are not written,
    since photo managers take them for faces.
    """

    name: ClassVar[str] = "xmp"
    place: ClassVar[str | None] = _FOLDER

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Write the sidecar of one image.

        Raises:
            OutputError: the file cannot be written, a keyword cannot have the name of a class, or the image has
                regions and cannot be read.
        """
        check_xml_names(record.names, self.name)
        check_names(record.names, _SEPARATOR, self.name, "keywords contain / and | only between their levels")
        if not record.present:
            return
        regions = [
            (each.name, (box.x1, box.y1, box.x2, box.y2))
            for each in record.annotations(self.options.min_box_score)
            for box in each.boxes or ()
        ]
        # The name of a sidecar is that of its image, which "none" returns.
        path = self.path_of(f"{_FOLDER}/{image_file_name(Path(record.image), name, 'none')}.xmp")
        lines = [*_keywords([each.name for each in record.present])]
        if regions:
            lines += _regions(regions, _frame_of(record, path))
        namespaces = xml_attributes(**{f"xmlns:{prefix}": uri for prefix, uri in _NAMESPACES.items()})
        description = [f'<rdf:Description rdf:about=""{namespaces}>', *lines, "</rdf:Description>\n"]
        write_text(path, _START + "\n".join(description) + _END)
        self.files.append(path)


def _frame_of(record: ImageRecord, path: Path) -> ImageFrame:
    """Return how an image is stored."""
    try:
        frame = read_image_frame(Path(record.image))
    except ImageError as error:
        raise OutputError(
            f"cannot write {path}: regions depend on how the image is stored, but {error}; restore it, or predict "
            "without boxes",
            path=path,
        ) from error
    if frame.upright != record.size:
        found, expected = frame.upright, record.size
        raise OutputError(
            f"cannot write {path}: {record.image} has {found.width}×{found.height} pixels, but had "
            f"{expected.width}×{expected.height} when it was predicted; predict it again",
            path=path,
        )
    return frame


def _keywords(names: list[str]) -> Iterator[str]:
    items = [f"<rdf:li>{escape(name)}</rdf:li>" for name in names]
    for element, kind in _KEYWORDS.items():
        yield "\n".join([f"<{element}><rdf:{kind}>", *items, f"</rdf:{kind}></{element}>"])


def _regions(regions: list[tuple[str, Corners]], frame: ImageFrame) -> Iterator[str]:
    yield "<Iptc4xmpExt:ImageRegion><rdf:Bag>"
    for number, (name, corners) in enumerate(regions, start=1):
        left, top, width, height = box_fractions(turn_stored(corners, frame), frame.stored)
        boundary = {
            "rbShape": "rectangle",
            "rbUnit": "relative",
            "rbX": f"{left:.6f}",
            "rbY": f"{top:.6f}",
            "rbW": f"{width:.6f}",
            "rbH": f"{height:.6f}",
        }
        fields = "".join(f"<Iptc4xmpExt:{key}>{value}</Iptc4xmpExt:{key}>" for key, value in boundary.items())
        yield (
            '<rdf:li rdf:parseType="Resource">'
            f'<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">{fields}</Iptc4xmpExt:RegionBoundary>'
            f"<Iptc4xmpExt:rId>freeloc-{number}</Iptc4xmpExt:rId>"
            f'<Iptc4xmpExt:Name><rdf:Alt><rdf:li xml:lang="x-default">{escape(name)}</rdf:li></rdf:Alt>'
            "</Iptc4xmpExt:Name></rdf:li>"
        )
    yield "</rdf:Bag></Iptc4xmpExt:ImageRegion>"
