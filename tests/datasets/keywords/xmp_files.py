"""XMP as several programs write it, and helpers that read the keywords of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from freeloc.datasets import Dataset, open_dataset

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "mediapro": "http://ns.iview-multimedia.com/mediapro/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}


def packet(body: str, attributes: str = "") -> bytes:
    """An XMP packet with one description."""
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">\n'
        f' <rdf:RDF xmlns:rdf="{RDF}">\n'
        f'  <rdf:Description rdf:about="" {declared} {attributes}>\n{body}\n  </rdf:Description>\n'
        ' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    ).encode()


def listed(name: str, keywords: Iterable[str], kind: str = "Bag") -> str:
    """A property that is a list."""
    items = "".join(f"\n     <rdf:li>{escape(each)}</rdf:li>" for each in keywords)
    return f"   <{name}>\n    <rdf:{kind}>{items}\n    </rdf:{kind}>\n   </{name}>\n"


def digikam(*paths: str) -> bytes:
    """Keywords as digiKam 8 writes them: with levels in four properties, and their last levels in dc:subject."""
    bars = [path.replace("/", "|") for path in paths]
    return packet(
        listed("digiKam:TagsList", paths, "Seq")
        + listed("MicrosoftPhoto:LastKeywordXMP", paths)
        + listed("lr:hierarchicalSubject", bars)
        + listed("mediapro:CatalogSets", bars)
        + listed("dc:subject", [path.split("/")[-1] for path in paths]),
        'xmp:Rating="0"',
    )


def lightroom(*paths: str) -> bytes:
    """Keywords as Lightroom Classic writes them: every level is also a flat keyword."""
    levels = sorted({level for path in paths for level in path.split("|")})
    return packet(listed("dc:subject", levels) + listed("lr:hierarchicalSubject", paths), 'xmp:Label="Red"')


def apple_photos(*keywords: str) -> bytes:
    """Keywords as Apple Photos exports them: a rdf:Seq instead of a rdf:Bag, without a packet around it."""
    items = "".join(f"\n<rdf:li>{escape(each)}</rdf:li>" for each in keywords)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 5.4.0">\n'
        f'<rdf:RDF xmlns:rdf="{RDF}">\n<rdf:Description rdf:about=""\n'
        f'xmlns:dc="{NAMESPACES["dc"]}"\nxmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">\n'
        f"<dc:subject>\n<rdf:Seq>{items}\n</rdf:Seq>\n</dc:subject>\n"
        "<photoshop:DateCreated>2024-05-01</photoshop:DateCreated>\n"
        "</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n"
    ).encode()


def darktable(*paths: str) -> bytes:
    """Keywords as darktable writes them, with the tags in which it notes what it has done."""
    paths = (*paths, "darktable|format|jpg")
    levels = sorted({level for path in paths for level in path.split("|")})
    return packet(listed("dc:subject", levels) + listed("lr:hierarchicalSubject", paths))


def opened(folder: Path, **options: Any) -> Dataset:
    return open_dataset(folder, format="keywords", **options)


def tags(data: Dataset) -> dict[str, set[str]]:
    """The present classes of each image by its name."""
    return {
        sample.path.name: {name for name, label in zip(data.classes, sample.labels) if label == 1}
        for sample in data
    }
