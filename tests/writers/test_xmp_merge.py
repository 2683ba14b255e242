"""Sidecars of other programs with the predicted classes added: everything else in them is kept, byte for byte."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.datasets.keywords.image_keywords import read_keywords
from freeloc.datasets.keywords.metadata_error import MetadataError
from freeloc.datasets.keywords.xmp_packet import read_xmp
from freeloc.errors import OutputError
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.xmp_document import region_item
from freeloc.writers.xmp_merge import merge_into_document
from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    with_options,
    write_records,
    write_turned_image,
)

NAMES = ("mug", "salt & pepper")

HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
)
TAIL = '\n</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'

NAMESPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:digiKam="http://www.digikam.org/ns/1.0/" '
    'xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
)


def document(content: str, attributes: str = "") -> bytes:
    text = f'{HEAD}<rdf:Description rdf:about="uuid:1" {NAMESPACES} {attributes}>{content}</rdf:Description>{TAIL}'
    return text.encode()


def listed(name: str, *items: str, kind: str = "Bag") -> str:
    inner = "".join(f"<rdf:li>{item}</rdf:li>" for item in items)
    return f"<{name}>\n <rdf:{kind}>{inner}</rdf:{kind}>\n</{name}>"


def keywords(data: bytes) -> Mapping[str, tuple[str, ...]]:
    return {name.name: texts for name, texts in read_xmp(data).items()}


def test_keywords_are_added_to_each_list_that_lacks_them() -> None:
    content = (
        listed("digiKam:TagsList", "Kitchen/Mug", "Rome", kind="Seq")
        + "<xmp:Rating>4</xmp:Rating><!-- <rdf:li> -->"
        + listed("lr:hierarchicalSubject", "Kitchen|Mug", "Rome")
        + listed("dc:subject", "Rome")
    )
    before = document(content)
    after = merge_into_document(before, NAMES, (("Kitchen", "Mug"), ("Rome",)), ())
    assert keywords(after) == {
        "digiKam:TagsList": ("Kitchen/Mug", "Rome", "salt & pepper"),
        "lr:hierarchicalSubject": ("Kitchen|Mug", "Rome", "salt & pepper"),
        "dc:subject": ("Rome", "mug", "salt & pepper"),
    }
    added = (b"<rdf:li>mug</rdf:li>\n", b"<rdf:li>salt &amp; pepper</rdf:li>\n")
    for item in added:
        after = after.replace(item, b"")
    assert after == before


def test_a_missing_property_gets_all_keywords_because_programs_read_only_one() -> None:
    before = document(listed("dc:subject", "Rome", "AC/DC"))
    after = merge_into_document(before, NAMES, (("Rome",), ("AC/DC",)), ())
    # The separator of digiKam's levels is a slash, so its property cannot contain all keywords.
    expected = ("Rome", "AC/DC", *NAMES)
    assert keywords(after) == {"lr:hierarchicalSubject": expected, "dc:subject": expected}
    assert b'rdf:about="uuid:1"' in after[after.index(b"lr:hierarchicalSubject><") - 500 :]
    again = merge_into_document(document(listed("lr:hierarchicalSubject", "A|B")), NAMES, (("A", "B"),), ())
    assert keywords(again) == {
        "digiKam:TagsList": ("A/B", *NAMES),
        "lr:hierarchicalSubject": ("A|B", *NAMES),
        "dc:subject": ("B", *NAMES),
    }


@pytest.mark.parametrize(
    "before",
    [
        document("", 'dc:subject="Rome"'),
        document("", "dc:Subject = 'Rome'"),
        document("<dc:subject>Rome</dc:subject>"),
        document(listed("dc:subject", "Rome", kind="Seq")),
        document(listed("dc:subject", "Rome")) + b"\0\0",
        b"\xef\xbb\xbf" + document(listed("dc:subject", "Rome")),
        document("<dc:subject>Rome</dc:subject><lr:hierarchicalSubject><rdf:Bag/></lr:hierarchicalSubject>"),
        document(
            listed("dc:subject", "Rome")
            + '<digiKam:TagsList rdf:parseType="a>b"/><lr:hierarchicalSubject></lr:hierarchicalSubject>'
        ),
    ],
)
def test_all_forms_of_a_property_are_completed(before: bytes) -> None:
    after = merge_into_document(before, ("mug",), (("Rome",),), ())
    names = ("digiKam:TagsList", "lr:hierarchicalSubject", "dc:subject")
    assert keywords(after) == dict.fromkeys(names, ("Rome", "mug"))
    assert merge_into_document(after, ("mug",), (("Rome",), ("mug",)), ()) == after


@pytest.mark.parametrize(
    "before",
    [
        b'<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
        b'<x:RDF xmlns:x="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></x:RDF>',
        b'<d><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" ><r:Description/></r:RDF></d>',
    ],
)
def test_other_prefixes_and_empty_documents(before: bytes) -> None:
    region = region_item(1, "mug", (0.1, 0.2, 0.3, 0.4))
    after = merge_into_document(before, ("mug",), (), [region])
    assert set(keywords(after).values()) == {("mug",)}
    assert after.count(b"freeloc-1") == 1


def test_regions_of_an_earlier_prediction_are_replaced() -> None:
    foreign = (
        '<rdf:li rdf:parseType="Resource"><Iptc4xmpExt:rId>mine</Iptc4xmpExt:rId></rdf:li>'
        '<rdf:li><rdf:Description Iptc4xmpExt:rId="freeloc-7"/></rdf:li>'
    )
    before = document(
        f"<Iptc4xmpExt:ImageRegion><rdf:Bag>{foreign}</rdf:Bag></Iptc4xmpExt:ImageRegion>",
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"',
    )
    regions = [region_item(number, "mug", (0.1, 0.2, 0.3, 0.4)) for number in (1, 2)]
    after = merge_into_document(before, ("mug",), (), regions)
    assert [after.count(each) for each in (b"mine", b"freeloc-7", b"freeloc-1", b"freeloc-2")] == [1, 0, 1, 1]
    assert after.count(b"<Iptc4xmpExt:ImageRegion>") == 1
    assert merge_into_document(after, ("mug",), (("mug",),), regions) == after
    assert merge_into_document(after, ("mug",), (("mug",),), ()) == after  # without boxes, regions remain


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (document(listed("dc:subject", "a"))[:-60], "malformed XML"),
        (b"", "malformed XML"),
        (b"<a/>", "this is not XMP"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + document(""), "document type"),
        (document("").decode().encode("utf-16"), "only be added to UTF-8"),
        (
            b"<?xml version='1.0' encoding='latin-1'?>" + document("").split(b"?>\n", 1)[1],
            "only be added to UTF-8",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        merge_into_document(data, ("mug",), (), ())


def record_of(image: Path, *, boxes: bool = True) -> ImageRecord:
    mug = class_record("mug", 0, boxes=[(*MUG, 0.9)] if boxes else None)
    return image_record(image, mug, class_record("lamp", 1, 0.1))


def test_written_sidecars_keep_their_names_and_contents(tmp_path: Path) -> None:
    images = {name: write_turned_image(tmp_path / "photos" / f"{name}.jpg") for name in "abcd"}
    originals = {
        "a.jpg.xmp": document(listed("dc:subject", "Rome")),
        "a.xmp": document("<xmp:Rating>4</xmp:Rating>"),
        "b.XMP": document(listed("dc:subject", "Paris")),
    }
    for name, data in originals.items():
        (tmp_path / "photos" / name).write_bytes(data)
    with Image.open(images["c"]) as opened:
        opened.save(images["c"], exif=opened.getexif(), xmp=document(listed("dc:subject", "Oslo")))
    before = {path.name: path.read_bytes() for path in (tmp_path / "photos").iterdir()}
    records = [(record_of(image), name) for name, image in images.items()]
    writer = write_records("xmp", tmp_path / "out", records, with_options(merge_sidecars=True))
    written = {path.name: path for path in writer.files}
    assert set(written) == {"a.jpg.xmp", "a.xmp", "b.XMP", "c.jpg.xmp", "d.jpg.xmp"}
    found = {name: keywords(path.read_bytes())["digiKam:TagsList"] for name, path in written.items()}
    assert found == {
        "a.jpg.xmp": ("Rome", "mug"),
        "a.xmp": ("Rome", "mug"),
        "b.XMP": ("Paris", "mug"),
        "c.jpg.xmp": ("Oslo", "mug"),  # a sidecar with other keywords would hide that in the image
        "d.jpg.xmp": ("mug",),
    }
    assert b"<xmp:Rating>4</xmp:Rating>" in written["a.xmp"].read_bytes()
    assert {path.name: path.read_bytes() for path in (tmp_path / "photos").iterdir()} == before
    # When they have replaced the earlier sidecars, nothing is left to add.
    for path in written.values():
        shutil.copy(path, tmp_path / "photos")
    again = write_records("xmp", tmp_path / "again", records, with_options(merge_sidecars=True))
    assert {path.name: path.read_bytes() for path in again.files} == {
        name: path.read_bytes() for name, path in written.items()
    }


def test_a_sidecar_of_several_images_is_written_for_each(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    images = [write_turned_image(photos / name) for name in ("a.jpg", "a.jpeg")]
    (photos / "a.xmp").write_bytes(document(listed("dc:subject", "Rome")))
    (photos / "a.jpeg.xmp").write_bytes(document(listed("dc:subject", "Paris")))
    records = [(record_of(image), image.name) for image in images]
    writer = write_records("xmp", tmp_path, records, with_options(merge_sidecars=True))
    found = {path.name: keywords(path.read_bytes())["dc:subject"] for path in writer.files}
    assert found == {"a.jpg.xmp": ("Rome", "mug"), "a.jpeg.xmp": ("Paris", "mug")}


def test_exiftool_and_freeloc_read_merged_sidecars(tmp_path: Path) -> None:
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed")
    image = write_turned_image(tmp_path / "photos" / "a.jpg")
    sidecar = tmp_path / "photos" / "a.jpg.xmp"
    tags = (
        "-XMP-dc:Subject=Rome",
        "-XMP-dc:Title=A & B",
        "-XMP-digiKam:TagsList=Places/Rome",
        "-XMP:Rating=4",
    )
    subprocess.run((exiftool, "-q", "-o", sidecar, *tags, image), check=True)
    (merged,) = write_records(
        "xmp", tmp_path, [(record_of(image), "a")], with_options(merge_sidecars=True)
    ).files

    def read(path: Path) -> dict[str, Any]:
        words = (exiftool, "-json", "-struct", "-n", "-validate", "-XMP:all", path)
        (values,) = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        return {key: value for key, value in values.items() if key != "SourceFile"}

    before, after = read(sidecar), read(merged)
    assert after.pop("Validate") == before.pop("Validate") == "0 0 0"
    assert [region["Name"] for region in after.pop("ImageRegion")] == ["mug"]
    assert after.pop("TagsList") == ["Places/Rome", "mug"]
    assert after.pop("HierarchicalSubject") == ["Places|Rome", "mug"]
    assert after.pop("Subject") == ["Rome", "mug"]
    assert after == {key: value for key, value in before.items() if key not in ("TagsList", "Subject")}
    assert read_keywords(image, [merged]).paths == (("Places", "Rome"), ("mug",))


def test_without_merging_existing_sidecars_are_announced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "ab":
        write_turned_image(tmp_path / "photos" / f"{name}.jpg")
        (tmp_path / "photos" / f"{name}.xmp").write_bytes(document(listed("dc:subject", "Rome")))
    records = [(record_of(tmp_path / "photos" / f"{name}.jpg"), name) for name in "ab"]
    with caplog.at_level(logging.WARNING, logger="freeloc"):
        writer = write_records("xmp", tmp_path, records)
    assert len(caplog.records) == 1
    assert "photos/a.xmp and perhaps other sidecars exist, and remain as they are" in caplog.text
    assert [path.name for path in writer.files] == ["a.jpg.xmp", "b.jpg.xmp"]
    assert keywords(writer.files[0].read_bytes())["dc:subject"] == ("mug",)


def test_what_cannot_be_merged_ends_in_one_sentence(tmp_path: Path) -> None:
    image = write_turned_image(tmp_path / "photos" / "a.jpg")
    sidecar = tmp_path / "photos" / "a.jpg.xmp"
    options = with_options(merge_sidecars=True)
    sidecar.write_bytes(document("")[:-60])
    with pytest.raises(
        OutputError, match=r"cannot keep what .*a\.jpg\.xmp, line \d+ contains: malformed"
    ) as caught:
        write_records("xmp", tmp_path / "out", [(record_of(image), "a")], options)
    assert caught.value.parameter == "merge_sidecars"
    sidecar.unlink()
    gone = record_of(tmp_path / "gone" / "b.jpg", boxes=False)
    with pytest.raises(OutputError, match=r"cannot keep what .*b\.jpg contains: this image cannot be read"):
        write_records("xmp", tmp_path / "out", [(gone, "b")], options)
    assert not (tmp_path / "out").exists()
